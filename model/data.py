"""A data set in memory, and a split that any copy of it gives again."""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath, PurePosixPath

import numpy as np
import numpy.typing as npt

from model.errors import DataError
from model.images import TILE_PX, ImageError, Pixels, decode

SPLITS = ("train", "validation", "test")
TRAIN_SHARE, VALIDATION_SHARE = 0.8, 0.1  # the rest is the test split
File = tuple[str, str, Callable[[], bytes]]  # its class, its name, and what reads it
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}


@dataclass(frozen=True)
class Tiles:
    """Decoded tiles: ``pixels`` uint8 (n, side, side, 3), ``classes`` int64 (n,)."""

    pixels: Pixels
    classes: npt.NDArray[np.int64]
    names: list[str]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Dataset:
    """A data set in three splits, with the digests that say which."""

    labels: list[str]
    splits: dict[str, Tiles]
    digest: str  # SHA-256 over every file's class, name and bytes, in order
    split_digest: str  # SHA-256 over "name split" lines, in the same order

    def about(self) -> dict[str, object]:
        """Return what identifies the data and its split, for a card."""
        return {
            "digest": self.digest,
            "split_digest": self.split_digest,
            "tiles": {split: len(tiles) for split, tiles in self.splits.items()},
        }


def split_of(name: str) -> str:
    """Return the split of a file by the SHA-256 of its name, without its folder.

    >>> split_of("AnnualCrop_1.jpg") == split_of("AnnualCrop_1.jpg")
    True
    """
    share = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
    if share < TRAIN_SHARE:
        return "train"
    return "validation" if share < TRAIN_SHARE + VALIDATION_SHARE else "test"


def read_labels(path: Path) -> list[str]:
    """Return the labels of a text file, one a line, in UTF-8.

    Raises:
        DataError: it is in another encoding, is empty, or has a label twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # an editor may have put a mark before it
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not in UTF-8 ({error.reason}); store it so") from error
    labels = [label for line in text.splitlines() if (label := line.strip())]
    if not labels:
        raise DataError(f"{path} has no labels in it: give one a line")
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise DataError(f"{path} has {_listed(twice)} more than once: each output is a class")
    return labels


def load(source: Path, *, tile_px: int = TILE_PX, labels: list[str] | None = None) -> Dataset:
    """Load every ``<Class>/<image>`` of a folder or zip archive, decoded as in serving.

    ``labels`` says which number each class has, as a model does; without it they are
    numbered by name.

    Raises:
        DataError: ``source`` holds no such file, one that cannot be decoded, one of a class that
            is not among ``labels``, or more than the machine has memory for.
    """
    with _files(source) as files:
        return _load(source, files, tile_px, labels)


def _load(source: Path, files: list[File], tile_px: int, labels: list[str] | None) -> Dataset:
    if not files:
        raise DataError(f"no <Class>/<name>.jpg (or {', '.join(sorted(SUFFIXES))}) in {source}")
    found = sorted({label for label, _, _ in files})
    labels = found if labels is None else labels
    if unknown := [label for label in found if label not in labels]:
        raise DataError(
            f"{source} has classes {_listed(unknown)}; the model knows {_listed(labels)}"
        )
    _check_memory(len(files), tile_px)
    digest, split_digest = hashlib.sha256(), hashlib.sha256()
    chosen: dict[str, list[tuple[Pixels, int, str]]] = {split: [] for split in SPLITS}
    for label, name, read in files:
        data = read()
        try:
            path = f"{label}/{name}".encode()
        except UnicodeEncodeError as error:
            raise DataError(f"{f'{label}/{name}'!a} in {source}: no name in UTF-8") from error
        split = split_of(name)
        digest.update(path + b"\0" + hashlib.sha256(data).digest())
        split_digest.update(f"{name} {split}\n".encode())
        try:
            pixels = decode(data, side_px=tile_px)
        except ImageError as error:
            raise DataError(f"{label}/{name} in {source}: {error.detail}") from error
        chosen[split].append((pixels, labels.index(label), name))
    return Dataset(
        labels=labels,
        splits={split: _tiles(rows, tile_px) for split, rows in chosen.items()},
        digest=digest.hexdigest(),
        split_digest=split_digest.hexdigest(),
    )


def _check_memory(images: int, side_px: int) -> None:
    """Raise ``DataError`` for more than can be in memory, which kills a process without a word."""
    needed_bytes = 2 * images * side_px**2 * 3  # each apart, and then all in one array
    machine_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed_bytes > machine_bytes:
        raise DataError(
            f"{images:,} images of {side_px} × {side_px} px take {needed_bytes / 1e9:,.0f} GB, and"
            f" this machine has {machine_bytes / 1e9:,.0f} GB: have smaller tiles, or fewer"
        )


def _listed(labels: list[str]) -> str:
    return ", ".join(labels[:10]) + (f" and {len(labels) - 10} more" if len(labels) > 10 else "")


def _tiles(rows: list[tuple[Pixels, int, str]], side_px: int) -> Tiles:
    none = np.empty((0, side_px, side_px, 3), np.uint8)
    return Tiles(
        pixels=np.stack([pixels for pixels, _, _ in rows]) if rows else none,
        classes=np.array([label for _, label, _ in rows], dtype=np.int64),
        names=[name for _, _, name in rows],
    )


@contextmanager
def _files(source: Path) -> Iterator[list[File]]:
    """Give the images of a folder or zip, by class and name; of one name, by where they are.

    They are read one by one: all may be more than memory.
    """
    if source.is_dir():
        paths = [path for path in _below(source) if path.parent != source and _is_image(path)]
        yield [(path.parent.name, path.name, path.read_bytes) for path in sorted(paths, key=_order)]
        return
    try:
        with zipfile.ZipFile(source) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
            inner = [(PurePosixPath(member.filename), member) for member in members]
            yield [
                (path.parent.name, path.name, partial(archive.read, member))
                for path, member in sorted(inner, key=lambda one: _order(one[0]))
                if path.parent.name and _is_image(path)
            ]
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
        # RuntimeError: it is encrypted; NotImplementedError: a compression of the future
        raise DataError(f"{source} is neither a folder nor a sound zip archive: {error}") from error


def _order(path: PurePath) -> tuple[str, str, str]:
    return path.parent.name, path.name, path.as_posix()


def _below(source: Path) -> Iterator[Path]:
    """Give the files below a folder, also behind links, which data sets are often made of."""
    seen: set[tuple[Path, str]] = set()
    for folder, folders, names in os.walk(source, onerror=_raise, followlinks=True):
        here = Path(folder).resolve()
        found, folders[:] = sorted(folders), []
        for name in found:
            there = (here / name).resolve()
            # Up, links go round for ever; across, they lead to the same folder again and again.
            if there not in (here, *here.parents) and (there, name) not in seen:
                seen.add((there, name))
                folders.append(name)
        yield from (Path(folder, name) for name in names)


def _raise(error: OSError) -> None:
    # os.walk would keep it to itself, and a class would be missing. What file systems themselves
    # keep in a volume's first folder is none.
    if not Path(error.filename).name.startswith((".", "lost+found")):
        raise error


def _is_image(path: PurePath) -> bool:
    # A Mac leaves a "._name" beside each file that it packs.
    return path.suffix.lower() in SUFFIXES and not path.name.startswith("._")
