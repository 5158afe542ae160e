"""Trained nets that say what they think of whatever a student is shown.

A net that learns from a teacher's probabilities, and not from the label alone, learns which
classes are alike (Hinton et al. 2015, arXiv:1503.02531). The teacher is asked anew in every
step, about the very view that the student gets: turned, softened, blended with another tile,
each net at the size that it sees tiles at. So the student learns the teacher's function, and
not its answers to tiles that both know by heart (Beyer et al. 2022, arXiv:2106.05237).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from model.errors import CheckpointError
from model.reference import checkpoint
from model.reference.architecture import resized
from model.reference.checkpoint import About
from model.training.config import Config


class Teachers:
    """Frozen nets; of several, the mean counts."""

    def __init__(self, config: Config, labels: list[str], device: str, *, bf16: bool) -> None:
        """Read ``config.teachers``, which `skylane train` wrote.

        Raises:
            CheckpointError: a teacher is damaged or has NaN in it, or it learned from tiles of
                another size or of other classes than ``labels``.
        """
        self._bf16 = bf16
        self._nets: list[tuple[nn.Module, int]] = []  # with the side that each sees tiles at
        for path in config.teachers:
            net, about = _read(Path(path))
            if about.labels != labels:
                raise CheckpointError(
                    f"teacher {path} knows {', '.join(about.labels)}; the data have"
                    f" {', '.join(labels)}"
                )
            if about.tile_px != config.tile_px:
                raise CheckpointError(
                    f"teacher {path} learned from tiles of {about.tile_px} px, and here they are"
                    f" of {config.tile_px}; tile_px={about.tile_px} gives it what it knows"
                )
            checkpoint.check_finite(f"teacher {path}", net.state_dict())
            net.requires_grad_(False).to(device)
            net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            self._nets.append((net, about.net_px))

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Normalised images (n, 3, side, side) to probabilities, float32 (n, classes)."""
        given = []
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self._bf16):
            for net, side_px in self._nets:
                seen = resized(images, side_px).contiguous(memory_format=torch.channels_last)
                given.append(torch.softmax(net(seen).float(), dim=1))
        return torch.stack(given).mean(0)


def _read(path: Path) -> tuple[nn.Module, About]:
    if path.is_dir():
        raise CheckpointError(f"teacher {path} is a folder; give the weights.safetensors in it")
    if not path.exists():
        raise CheckpointError(f"teacher {path} does not exist")
    try:
        return checkpoint.read(path)
    except CheckpointError as error:
        raise CheckpointError(
            f"teacher {error}. A teacher has to be a weights.safetensors that `skylane train` wrote"
        ) from error
