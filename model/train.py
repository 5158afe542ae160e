"""Train the reference model: one script, from top to bottom.

    skylane train --data eurosat.zip --out checkpoints/

Every random choice follows from the seed and the step alone, so a run that was killed
goes on from its last checkpoint as if nothing had happened.
"""

from __future__ import annotations

import csv
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from model.architecture import build, normalise
from model.data import Tiles, load


@dataclass(frozen=True)
class Config:
    """What a training run depends on, besides the data."""

    imagenet: bool = False  # start from torchvision's ImageNet weights (needs a network)
    # (epochs, side in pixels): small pictures first, they are cheaper and teach the coarse part
    stages: tuple[tuple[int, int], ...] = ((8, 40), (4, 48), (12, 64))
    batch: int = 64  # images a step
    peak_lr: float = 0.05  # one-cycle: up to this over the warm-up, then down a cosine to 0
    warmup: float = 0.15  # share of all steps that the learning rate rises
    momentum: float = 0.9  # Nesterov
    weight_decay: float = 5e-4  # on convolution and linear weights only
    label_smoothing: float = 0.1
    ema_decay: float = 0.998  # of the averaged weights that are evaluated and kept
    shift_px: int = 4  # random translation at 64 px, by reflection at the border
    jitter: float = 0.1  # random brightness and contrast, plus or minus this share
    seed: int = 0
    save_every: int = 100  # steps between checkpoints


def train(data: Path, out: Path, config: Config) -> Path:
    """Train to the end (or go on from ``out/checkpoint.pt``) and return the final weights' path.

    Writes ``out/metrics.csv`` (a line an epoch) and ``out/weights.pt``: the averaged
    weights, the labels, the configuration and the data's digests.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)

    dataset = load(data)
    training, validation = dataset.splits["train"], dataset.splits["validation"]
    pixels = torch.from_numpy(training.pixels).to(device)
    classes = torch.from_numpy(training.classes).to(device)

    net = build(len(dataset.labels), imagenet=config.imagenet)
    net.to(device)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    ema = torch.optim.swa_utils.AveragedModel(
        net,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.ema_decay),
        use_buffers=True,
    )
    decayed = [weight for weight in net.parameters() if weight.ndim > 1]
    others = [weight for weight in net.parameters() if weight.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others},
    ]
    optimiser = torch.optim.SGD(
        groups,
        lr=config.peak_lr,
        momentum=config.momentum,
        nesterov=True,
    )
    sides = [side for epochs, side in config.stages for _ in range(epochs)]
    steps_per_epoch = len(training) // config.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        config.peak_lr,
        total_steps=len(sides) * steps_per_epoch,
        pct_start=config.warmup,
        cycle_momentum=False,
    )

    step = 0
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        net.load_state_dict(state["net"])
        ema.load_state_dict(state["ema"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        step = state["step"]

    def save() -> None:
        _write(
            checkpoint,
            {
                "net": net.state_dict(),
                "ema": ema.state_dict(),
                "optimiser": optimiser.state_dict(),
                "schedule": schedule.state_dict(),
                "step": step,
            },
        )

    total = len(sides) * steps_per_epoch
    bar = tqdm(total=total, initial=step, unit="step", smoothing=0.05)
    losses: list[float] = []
    started = time.monotonic()
    while step < total:
        epoch, index = divmod(step, steps_per_epoch)
        order = torch.randperm(
            len(training), generator=torch.Generator().manual_seed(config.seed + epoch)
        )
        chosen = order[index * config.batch : (index + 1) * config.batch].to(device)
        random = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
        inputs = augment(pixels[chosen], sides[epoch], config, random)

        net.train()
        with torch.autocast(device, torch.bfloat16):
            loss = F.cross_entropy(
                net(inputs), classes[chosen], label_smoothing=config.label_smoothing
            )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        ema.update_parameters(net)
        step += 1

        losses.append(loss.item())
        bar.update()
        bar.set_postfix(epoch=epoch + 1, px=sides[epoch], loss=f"{losses[-1]:.3f}")
        if step % config.save_every == 0 or step == total:
            save()
        if step % steps_per_epoch == 0:
            _log(
                out / "metrics.csv",
                {
                    "epoch": epoch + 1,
                    "side_px": sides[epoch],
                    "loss": round(sum(losses) / len(losses), 4),
                    "validation_accuracy": round(accuracy(ema.module, validation), 5),
                    "lr": f"{schedule.get_last_lr()[0]:.5f}",
                    "elapsed_s": round(time.monotonic() - started),
                },
            )
            losses.clear()
    bar.close()

    weights = out / "weights.pt"
    _write(
        weights,
        {
            "net": ema.module.state_dict(),
            "labels": dataset.labels,
            "config": asdict(config),
            "data_digest": dataset.digest,
            "split_digest": dataset.split_digest,
        },
    )
    return weights


def augment(pixels: Tensor, side: int, config: Config, random: torch.Generator) -> Tensor:
    """uint8 NHWC (n, 64, 64, 3) to a normalised, augmented float batch NCHW (n, 3, side, side).

    A satellite tile has no up and no left: each batch quarter takes its own of the eight
    symmetries of the square, each image its own shift, brightness and contrast.
    """
    n, full = len(pixels), pixels.shape[1]
    images = normalise(pixels)
    turns = torch.randint(8, (4,), generator=random).tolist()
    parts = []
    for part, turn in zip(images.chunk(4), turns, strict=False):
        turned = torch.rot90(part, turn % 4, (2, 3))
        parts.append(turned.flip(3) if turn >= 4 else turned)
    images = F.pad(torch.cat(parts), (config.shift_px,) * 4, mode="reflect")
    across, down = torch.randint(2 * config.shift_px + 1, (2, n), generator=random)
    rows = (down[:, None] + torch.arange(full)).to(pixels.device)
    columns = (across[:, None] + torch.arange(full)).to(pixels.device)
    which = torch.arange(n, device=pixels.device)[:, None, None]
    # Indexing with the channels last, so that one pixel's three values stay together.
    images = images.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]]
    images = images.permute(0, 3, 1, 2)
    gain, offset = (
        ((torch.rand(n, generator=random) * 2 - 1) * config.jitter).view(n, 1, 1, 1)
        for _ in range(2)
    )
    images = images * (1 + gain.to(pixels.device)) + offset.to(pixels.device)
    if side != full:
        images = F.interpolate(images, (side, side), mode="bilinear", antialias=True)
    return images.contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def accuracy(net: nn.Module, tiles: Tiles, batch: int = 256) -> float:
    """Share of ``tiles`` that ``net`` gets right, at full size and in its training precision."""
    net.eval()
    device = next(net.parameters()).device
    right = 0
    for start in range(0, len(tiles), batch):
        part = slice(start, start + batch)
        inputs = normalise(torch.from_numpy(tiles.pixels[part]).to(device))
        with torch.autocast(device.type, torch.bfloat16):
            guesses = net(inputs.contiguous(memory_format=torch.channels_last)).argmax(1)
        right += int((guesses.cpu() == torch.from_numpy(tiles.classes[part])).sum())
    return right / len(tiles)


def _write(path: Path, state: dict[str, object]) -> None:
    # A kill in the middle of a write must not cost the last good file.
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def _log(path: Path, row: dict[str, object]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)
