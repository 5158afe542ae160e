"""Whatever predicts: by OpenVINO from an artefact, or by torch from a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from model.artefact import Artefact
from model.errors import CheckpointError
from model.images import Pixels
from model.predictor import Predictor, Probabilities


class Predicts(Protocol):
    """What both predictors are. Threads may share one."""

    labels: list[str]  # in the order of the outputs
    version: str  # as rows hold it
    tile_px: int  # side of the tiles that go in

    def warm_up(self) -> None:
        """Predict once, so that the first image does not pay for what happens only once.

        Raises:
            PredictionError: the answer is none, so the model is of no use.
        """

    def predict(self, pixels: Pixels) -> Probabilities:
        """(n, tile_px, tile_px, 3) uint8 RGB to (n, labels) float32, each row summing to 1."""


def open_predictor(path: Path, *, streams: int = 1, cache: Path | None = None) -> Predicts:
    """Open an artefact (``.zip``), or with torch installed a checkpoint (``.safetensors``).

    Raises:
        ArtefactError: the artefact is damaged.
        CheckpointError: the checkpoint is, or torch is not installed.
    """
    if path.suffix == ".safetensors":
        try:
            from model.reference.predictor import TorchPredictor
        except ModuleNotFoundError as error:
            raise CheckpointError(
                f"{path} is a checkpoint, which torch serves, and {error.name} is not installed:"
                " pip install -r requirements/train.txt, or give what `skylane export` made of it"
            ) from error

        return TorchPredictor.open(path)
    return Predictor(Artefact.open(path), streams=streams, cache=cache)
