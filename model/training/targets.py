"""What a trained net thinks of every training tile, for another to learn from.

A net that learns from a teacher's probabilities, and not from the label alone, learns which
classes are alike, and is not thrown by labels that are wrong (Hinton et al. 2015,
arXiv:1503.02531). The teacher is asked once, for each tile in all eight symmetries.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from model.data import Dataset, load
from model.errors import CheckpointError
from model.reference import checkpoint
from model.reference.architecture import normalise, resized
from model.reference.checkpoint import About
from model.training.augment import SYMMETRIES, turned
from model.training.device import computes_in_bf16, device, keep_memory

BATCH = 128  # tiles at a time


@torch.inference_mode()
def teach(teachers: list[Path], data: Path, out: Path) -> None:
    """Write the mean of the teachers' probabilities: float16 (tiles, 8 symmetries, classes).

    Raises:
        CheckpointError: a teacher is damaged, or knows other classes than the data have.
    """
    keep_memory()
    total: Tensor | None = None
    for path in teachers:
        net, about = checkpoint.read(path)
        dataset = load(data, tile_px=about.tile_px)
        if about.labels != dataset.labels:
            raise CheckpointError(f"{path} knows {about.labels}, the data have {dataset.labels}")
        given = _probabilities(net, about, dataset)
        total = given if total is None else total + given
    if total is None:
        raise CheckpointError("no teacher was given")
    checkpoint.save(
        out,
        {"probabilities": (total / len(teachers)).half()},
        {"labels": dataset.labels, "digest": dataset.digest},
    )


def read(path: Path, dataset: Dataset) -> Tensor:
    """Return what ``teach`` wrote, as float32 (tiles, 8, classes), in the order of ``dataset``.

    Raises:
        CheckpointError: it is damaged, or of other data.
    """
    tensors, about = checkpoint.load(path)
    if "probabilities" not in tensors:
        raise CheckpointError(
            f"{path} holds no targets. If it is a teacher, `skylane teach --checkpoint {path}`"
            " makes them"
        )
    if (about.get("labels"), about.get("digest")) != (dataset.labels, dataset.digest):
        raise CheckpointError(f"{path} was made from other data; `skylane teach` makes it anew")
    return tensors["probabilities"].float()


def _probabilities(net: torch.nn.Module, about: About, dataset: Dataset) -> Tensor:
    where = device()
    bf16 = computes_in_bf16(where)
    net = net.to(where).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pixels = torch.from_numpy(dataset.splits["train"].pixels)
    rows = []
    for start in tqdm(range(0, len(pixels), BATCH), desc="teacher", unit="batch"):
        images = normalise(pixels[start : start + BATCH].to(where))
        images = resized(images, about.net_px)
        views = [
            turned(images, symmetry).contiguous(memory_format=torch.channels_last)
            for symmetry in range(SYMMETRIES)
        ]
        with torch.autocast(where, torch.bfloat16, enabled=bf16):
            logits = [net(view) for view in views]
        given = [torch.softmax(one.float(), dim=1).cpu() for one in logits]
        rows.append(torch.stack(given, dim=1))
    return torch.cat(rows)
