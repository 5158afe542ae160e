"""The reference predictor: the same verbs as the served one's, by torch in float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from model.images import Pixels
from model.predictor import Probabilities, checked
from model.reference.architecture import Servable
from model.reference.checkpoint import file_digest, read

BATCH = 32  # tiles at a time: enough to be fast, little enough to stay in memory


class TorchPredictor:
    """A checkpoint, run by torch. Some five times slower than OpenVINO, and larger."""

    def __init__(
        self,
        servable: Servable,
        labels: list[str],
        version: str,
        tile_px: int,
        device: str = "cpu",
    ) -> None:
        self.labels = labels
        self.version = version
        self.tile_px = tile_px
        self._device = device
        self._servable = servable.eval().to(device)
        self._servable.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @classmethod
    def open(cls, path: Path, temperature: float = 1.0, device: str = "cpu") -> TorchPredictor:
        """Open a checkpoint that ``skylane train`` wrote.

        Raises:
            CheckpointError: the file is damaged, or says nothing of itself.
        """
        net, about = read(path)
        servable = Servable(net, about.net_px, temperature)
        version = f"{path.stem}-{file_digest(path)[:12]}"
        return cls(servable, about.labels, version, about.tile_px, device)

    def warm_up(self) -> None:
        """Predict once, so that the first image does not pay for what happens only once.

        Raises:
            PredictionError: the answer is none, so the model is of no use.
        """
        checked(self.predict(np.zeros((1, self.tile_px, self.tile_px, 3), np.uint8)), self.version)

    @torch.inference_mode()
    def predict(self, pixels: Pixels) -> Probabilities:
        """(n, side, side, 3) uint8 RGB to (n, labels) float32, each row summing to 1."""
        parts = [
            self._servable(torch.tensor(pixels[start : start + BATCH], device=self._device))
            .cpu()
            .numpy()
            for start in range(0, len(pixels), BATCH)
        ]
        return np.concatenate(parts)
