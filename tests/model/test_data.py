"""The data set: a split that never changes, and the same pixels from a folder or an archive."""

from __future__ import annotations

import errno
import os
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from model.data import SPLITS, Dataset, _raise, load, read_labels, split_of
from model.errors import DataError
from model.images import decode

# Whoever changes a split mixes what models were trained on with what they are tested on.
PINNED = {
    "AnnualCrop_1.jpg": "train",
    "Forest_1.jpg": "train",
    "AnnualCrop_3.jpg": "train",
    "SeaLake_1.jpg": "validation",
    "Forest_2.jpg": "validation",
    "AnnualCrop_7.jpg": "validation",
    "AnnualCrop_2.jpg": "test",
    "SeaLake_4.jpg": "test",
    "AnnualCrop_6.jpg": "test",
}
TILES = Path(__file__).parents[1] / "data" / "eurosat"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with three classes and files of every split."""
    source = tmp_path / "data" / "EuroSAT"
    originals = sorted(TILES.glob("*/*.jpg"))
    for number in range(60):
        label = ("Forest", "Highway", "River")[number % 3]
        target = source / label / f"{label}_{number}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(originals[number % len(originals)].read_bytes())
    (source / "README.txt").write_text("not a tile")
    return source


def archived(folder: Path, target: Path) -> Path:
    """Return a zip archive of the folder, its members in the opposite order."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*"), reverse=True):
            archive.write(path, path.relative_to(folder.parent))
    return target


def all_names(dataset: Dataset) -> list[str]:
    """Return the names of all splits."""
    return [name for split in SPLITS for name in dataset.splits[split].names]


@pytest.mark.parametrize(("name", "split"), PINNED.items())
def test_a_file_stays_in_its_split(name: str, split: str) -> None:
    assert split_of(name) == split


def test_about_eight_in_ten_train_and_one_in_ten_tests() -> None:
    n = 20_000
    counted = Counter(split_of(f"Forest_{number}.jpg") for number in range(n))

    assert set(counted) == set(SPLITS)
    # Four standard deviations of a binomial draw.
    assert abs(counted["train"] / n - 0.8) < 0.012
    assert abs(counted["validation"] / n - 0.1) < 0.009


def test_the_tiles_of_the_tests_were_never_trained_on() -> None:
    names = [path.name for path in TILES.glob("*/*.jpg")]

    assert len(names) == 50
    assert {split_of(name) for name in names} == {"test"}


def test_a_folder_and_its_archive_are_the_same_data(folder: Path, tmp_path: Path) -> None:
    one, other = load(folder), load(archived(folder, tmp_path / "EuroSAT.zip"))

    assert (one.digest, one.split_digest) == (other.digest, other.split_digest)
    assert one.labels == other.labels == ["Forest", "Highway", "River"]
    for split in SPLITS:
        mine, theirs = one.splits[split], other.splits[split]
        assert mine.names == theirs.names
        assert (mine.classes == theirs.classes).all()
        assert (mine.pixels == theirs.pixels).all()


def test_files_of_one_name_are_in_one_order_wherever_they_lie(folder: Path, tmp_path: Path) -> None:
    # As in train/Cat/1.jpg and val/Cat/1.jpg.
    originals = sorted(TILES.glob("*/*.jpg"))
    for place, tile in (("b", originals[0]), ("a", originals[1]), ("c", originals[2])):
        target = folder / place / "Forest" / "Forest_0.jpg"
        target.parent.mkdir(parents=True)
        target.write_bytes(tile.read_bytes())
    archive = archived(folder, tmp_path / "one.zip")
    turned = tmp_path / "turned.zip"
    with zipfile.ZipFile(archive) as one, zipfile.ZipFile(turned, "w") as other:
        for member in reversed(one.infolist()):
            other.writestr(member, one.read(member))
    assert load(folder).digest == load(archive).digest == load(turned).digest


def test_a_class_that_is_linked_belongs_to_the_data(folder: Path, tmp_path: Path) -> None:
    whole = load(folder)
    (folder / "River").rename(tmp_path / "elsewhere")
    (folder / "River").symlink_to(tmp_path / "elsewhere")
    (folder / "Forest" / "above").symlink_to(folder)  # and does not go round for ever
    assert load(folder).digest == whole.digest
    (folder / "latest").symlink_to(folder / "again", target_is_directory=True)
    (folder / "again").mkdir()
    (folder / "again" / "River").symlink_to(folder / "River")  # nor are tiles there twice
    assert load(folder).digest == whole.digest


def test_a_class_that_cannot_be_read_is_told_and_not_left_out(folder: Path) -> None:
    def walked(name: str) -> None:
        _raise(PermissionError(errno.EACCES, "Permission denied", str(folder / name)))

    walked("lost+found")  # which is no class: volumes have it
    with pytest.raises(PermissionError, match="River"):
        walked("River")


def test_eurosat_whose_archive_was_deleted_says_what_to_do(tmp_path: Path, tile: bytes) -> None:
    pytest.importorskip("torch", reason="pip install -r requirements/train.txt")
    from model.training.fetch import eurosat

    unpacked = tmp_path / "eurosat" / "2750"
    (unpacked / "Forest").mkdir(parents=True)
    (unpacked / "Forest" / "Forest_1.jpg").write_bytes(tile)
    with pytest.raises(DataError, match=r"2750 is there, and the archive .* is not: delete it"):
        eurosat(tmp_path)


@pytest.mark.parametrize("stored", ["Forêt\nRiver\n", "Forêt\r\n\r\n River", "\ufeffForêt\nRiver"])
def test_labels_are_read_as_any_editor_stores_them(stored: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(stored.encode())
    assert read_labels(path) == ["Forêt", "River"]


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        ("Forêt\nRiver\n".encode("latin-1"), "is not in UTF-8 .* store it so"),
        ("Forest\n".encode("utf-16"), "is not in UTF-8"),
        (b"\n \n", "has no labels in it: give one a line"),
        (b"River\nForest\nRiver\n", "has River more than once"),
    ],
)
def test_labels_that_are_none_are_told_with_their_file(
    stored: bytes, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(stored)
    with pytest.raises(DataError, match=rf"labels\.txt {told}"):
        read_labels(path)


def test_every_file_is_in_one_split_with_its_class_and_its_pixels(folder: Path) -> None:
    dataset = load(folder)

    assert sorted(all_names(dataset)) == sorted(path.name for path in folder.rglob("*.jpg"))
    for split in SPLITS:
        tiles = dataset.splits[split]
        assert len(tiles) == len(tiles.pixels) == len(tiles.classes) > 0
        for name, number, pixels in zip(tiles.names, tiles.classes, tiles.pixels, strict=True):
            label = dataset.labels[number]
            assert (split_of(name), name.split("_")[0]) == (split, label)
            assert (pixels == decode((folder / label / name).read_bytes())).all()


def test_the_digests_tell_what_was_changed(folder: Path) -> None:
    before = load(folder)
    some, other = folder / "Forest" / "Forest_0.jpg", folder / "Forest" / "Forest_3.jpg"
    some.write_bytes(other.read_bytes())
    altered = load(folder)
    (folder / "Forest" / "Forest_1000.jpg").write_bytes(other.read_bytes())
    grown = load(folder)

    assert len({before.digest, grown.digest, altered.digest}) == 3
    assert before.split_digest == altered.split_digest != grown.split_digest


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_an_image_in_no_folder_has_no_class_and_is_left_out(
    kind: str, folder: Path, tmp_path: Path
) -> None:
    whole = load(folder)
    (folder / "stray.jpg").write_bytes(next(folder.glob("*/*.jpg")).read_bytes())
    (folder / "Forest" / "._Forest_0.jpg").write_bytes(b"what a Mac leaves beside a file")
    source = folder
    if kind == "archive":
        source = tmp_path / "flat.zip"
        with zipfile.ZipFile(source, "w") as archive:
            for path in sorted(folder.rglob("*.jpg")):
                archive.write(path, path.relative_to(folder))
    assert load(source).digest == whole.digest


def test_a_name_that_is_no_text_is_told(folder: Path) -> None:
    tile = next(folder.glob("*/*.jpg"))
    Path(os.fsdecode(os.fsencode(tile.parent) + b"/a\xff.jpg")).write_bytes(tile.read_bytes())
    with pytest.raises(DataError, match=r"/a\\udcff\.jpg' in .*: no name in UTF-8"):
        load(folder)


def test_more_than_there_is_memory_for_is_told(folder: Path) -> None:
    with pytest.raises(
        DataError, match=r"of 1000000 × 1000000 px take [\d,]+ GB, and this machine"
    ):
        load(folder, tile_px=1_000_000)


def test_what_there_is_no_memory_for_is_told_before_any_of_it_is_read(folder: Path) -> None:
    (folder / "Forest" / "gone.jpg").symlink_to("nowhere")
    with pytest.raises(FileNotFoundError):
        load(folder)
    with pytest.raises(DataError, match="and this machine"):
        load(folder, tile_px=1_000_000)


def test_a_folder_is_no_image_whatever_its_name(folder: Path, tmp_path: Path) -> None:
    whole = load(folder)
    (folder / "Forest" / "folder.jpg").mkdir()
    assert load(folder).digest == whole.digest
    archive = archived(folder, tmp_path / "folder.zip")
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("Forest/another.jpg/", b"")
    assert load(archive).digest == whole.digest


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_a_place_without_tiles_is_not_a_data_set(kind: str, tmp_path: Path) -> None:
    source = tmp_path / "empty"
    source.mkdir()
    (source / "README.txt").write_text("nothing here")
    if kind == "archive":
        source = archived(source, tmp_path / "empty.zip")

    with pytest.raises(DataError, match="no <Class>/<name>"):
        load(source)
