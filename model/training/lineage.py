"""What a run depends on besides its data: the net that it begins with, and its teachers."""

from __future__ import annotations

from pathlib import Path

from model.data import Dataset
from model.reference.checkpoint import file_digest, load
from model.training.config import Config

FRESH = ("scratch", "imagenet")  # starts that are no file


def digests(config: Config) -> dict[str, str]:
    """Return the SHA-256 of each file that a run depends on, by path.

    Raises:
        CheckpointError: one cannot be read.
    """
    return {path: file_digest(Path(path)) for path in _files(config)}


def kept_apart(config: Config, dataset: Dataset) -> bool:
    """Return whether a run is known to keep the splits of ``dataset`` apart.

    It is where whatever it begins with or learns from did so on the same data, under the same
    names. Of a file that does not say, nothing is known.

    Raises:
        CheckpointError: one cannot be read.
    """
    return all(_kept_apart(Path(path), dataset) for path in _files(config))


def _files(config: Config) -> list[str]:
    start = [] if config.start in FRESH else [config.start]
    return [*start, *config.teachers]


def _kept_apart(path: Path, dataset: Dataset) -> bool:
    about = load(path)[1]
    if about.get("data") != dataset.about():
        return False
    # Who was trained before this was written down is believed if it began with nobody's tiles.
    fresh: bool = about.get("recipe", {}).get("start") in FRESH
    return bool(about.get("made", {}).get("kept_apart", fresh))
