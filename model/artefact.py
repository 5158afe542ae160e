"""The file that is served: one zip archive with the graph, its labels and its card.

Nothing in it is code: OpenVINO's IR (XML and raw weights) and a JSON manifest. The
manifest carries the digest of each member, and a file that does not match is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from model.errors import ArtefactError

MANIFEST, GRAPH, WEIGHTS = "manifest.json", "model.xml", "model.bin"
# A zip member's time is part of its bytes: one fixed time makes equal artefacts equal files.
FIXED_TIME = (2020, 1, 1, 0, 0, 0)
TILE_PX = 64  # side of the tiles, where a manifest says nothing else
MAX_HEADER_BYTES = 100_000_000  # of a safetensors file; its own library's bound


@dataclass(frozen=True)
class Artefact:
    """An artefact on disk. Opening it reads the manifest only, which is small."""

    path: Path
    manifest: dict[str, Any]

    @classmethod
    def open(cls, path: Path) -> Artefact:
        """Open an artefact.

        Raises:
            ArtefactError: there is no file, or it has no manifest of ours.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                manifest = json.loads(archive.read(MANIFEST))
            if not (isinstance(manifest["labels"], list) and manifest["members"][WEIGHTS]):
                raise ValueError("its manifest has no labels or no digests")
        except Exception as error:  # zipfile, zlib and json raise a dozen kinds
            raise ArtefactError(
                f"{path} is not a model artefact, as `skylane export` writes it: {_why(error)}"
            ) from error
        return cls(path, manifest)

    @property
    def labels(self) -> list[str]:
        """The classes, in the order of the model's outputs."""
        return list(self.manifest["labels"])

    @property
    def tile_px(self) -> int:
        """Side of the square tiles that go in."""
        return int(self.manifest.get("tile_px", TILE_PX))

    @property
    def precision(self) -> str:
        """ "INT8", or "FP16" for weights that are only stored shorter."""
        return str(self.manifest.get("precision", "INT8"))

    @cached_property
    def version(self) -> str:
        """The model's name with the first digits of its digest, as rows hold it."""
        return f"{self.manifest['name']}-{self.manifest['members'][WEIGHTS][:12]}"

    def read(self) -> tuple[bytes, bytes]:
        """Return the graph and the weights, checked against the manifest.

        Raises:
            ArtefactError: a member is missing or not what was exported.
        """
        try:
            with zipfile.ZipFile(self.path) as archive:
                graph, weights = archive.read(GRAPH), archive.read(WEIGHTS)
        except Exception as error:  # as above
            raise ArtefactError(f"{self.path} is damaged: {error}") from error
        for member, data in ((GRAPH, graph), (WEIGHTS, weights)):
            if hashlib.sha256(data).hexdigest() != self.manifest["members"].get(member):
                raise ArtefactError(f"{self.path}: {member} does not match its digest")
        return graph, weights


def write(path: Path, graph: bytes, weights: bytes, card: dict[str, Any]) -> Artefact:
    """Write an artefact: ``card`` needs ``name`` and ``labels``; the digests are added."""
    members = {GRAPH: graph, WEIGHTS: weights}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    manifest = json.dumps({**card, "members": digests}, indent=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with zipfile.ZipFile(partial, "w") as archive:
        for name, data in {MANIFEST: manifest.encode(), **members}.items():
            # INT8 weights hardly shrink, and inflating them would slow down every start.
            how = zipfile.ZIP_STORED if name == WEIGHTS else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(name, FIXED_TIME), data, how)
    os.replace(partial, path)  # whoever serves the old one is not left with half a new one
    return Artefact.open(path)


def labels_of(path: Path) -> list[str]:
    """Return the labels of whatever is served, without what it takes to run it.

    Raises:
        ArtefactError: it is neither an artefact nor a checkpoint that names its labels.
    """
    if path.suffix != ".safetensors":
        return Artefact.open(path).labels
    try:
        with path.open("rb") as file:
            (header_bytes,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(header_bytes, MAX_HEADER_BYTES)))
        return list(json.loads(header["__metadata__"]["skylane"])["labels"])
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise ArtefactError(
            f"{path} is no checkpoint that names its labels, as `skylane train` writes it:"
            f" {_why(error)}. `skylane export` makes an artefact of another"
        ) from error


def version_of(path: Path) -> str | None:
    """Return the version that rows will have; None of a checkpoint, which is read for it.

    Raises:
        ArtefactError: it is no artefact.
    """
    return None if path.suffix == ".safetensors" else Artefact.open(path).version


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror  # without the path, which is told already
    return f"no {error}" if isinstance(error, KeyError) else str(error)
