"""Train a net: one script, from top to bottom.

    skylane train --data eurosat.zip --out checkpoints/

Every random choice follows from the seed and the step alone, so a run that was killed
goes on from its last checkpoint as if nothing had happened.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from model.data import Dataset, Tiles, load
from model.errors import AstrayError, TrainingError
from model.places import held
from model.reference import checkpoint
from model.reference.architecture import build, check_takes, normalise, resized
from model.reference.checkpoint import About, start_from
from model.training import device as devices
from model.training.batches import Batches
from model.training.config import Config
from model.training.lineage import FRESH, digests, kept_apart
from model.training.progress import logs
from model.training.state import State
from model.training.teachers import Teachers

WEIGHTS, RESUME = "weights.safetensors", "resume.safetensors"
LOCK = "train.lock"
SHOW_EVERY = 20  # steps between looks at the loss, for which a GPU has to be waited for


def train(data: Path | Dataset, out: Path, config: Config) -> Path:
    """Train to the end (or go on from where a killed run was) and return the weights' path.

    ``data`` is where the data lie, or what ``load`` made of them.

    Writes into ``out``: ``metrics.csv`` (a line an epoch), the same for TensorBoard,
    ``resume.safetensors`` as it goes, and at the end ``weights.safetensors``: the averaged
    weights with all that identifies them.

    Raises:
        DataError: ``data`` is no data set.
        TrainingError: it has too few tiles, ``out`` holds a run of another recipe, another
            process is about it, or a step needs more memory than the GPU has.
        AstrayError: the loss becomes infinite or NaN.
        CheckpointError: the net to start from, or a teacher, does not fit.
        PlaceError, OSError: ``out`` cannot be written to.
    """
    # Two in one folder would write over each other's checkpoints.
    with held(out / LOCK, wait=False) as mine:
        if not mine:
            raise TrainingError(f"another process trains into {out}: wait, or give another folder")
        try:
            return _train(data, out, config)
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"a batch of {config.batch} at {max(px for _, px in config.stages)} px takes more"
                f" memory than the GPU has: lower batch ({error})"
            ) from error


def _train(data: Path | Dataset, out: Path, config: Config) -> Path:
    devices.keep_memory()
    device = devices.device()
    bf16 = devices.computes_in_bf16(device, config.precision)
    torch.backends.cudnn.deterministic = True

    dataset = load(data, tile_px=config.tile_px) if isinstance(data, Path) else data
    named = data if isinstance(data, Path) else "the data set"
    if (side_px := dataset.splits["train"].pixels.shape[1]) != config.tile_px:
        raise TrainingError(
            f"{named} was loaded at {side_px} px, and tile_px is {config.tile_px}: load it at that"
        )
    validation = dataset.splits["validation"]
    if not len(validation):
        raise TrainingError(f"{named} has no tiles to validate on")
    if len(dataset.labels) < 2:
        raise TrainingError(f"{named} has one class, {dataset.labels[0]}: nothing to tell apart")
    teachers = Teachers(config, dataset.labels, device, bf16=bf16)
    apart = kept_apart(config, dataset)
    batches = Batches(dataset.splits["train"], len(dataset.labels), config, device)
    sides_px = [side_px for epochs, side_px in config.stages for _ in range(epochs)]
    total = len(sides_px) * batches.per_epoch  # steps

    # The net, and the run so far. The seed is set here because a teacher that is read in draws
    # as well: a student begins the same with teachers and without.
    torch.manual_seed(config.seed)
    net = build(config.arch, len(dataset.labels), imagenet=config.start == "imagenet")
    if config.start not in FRESH:
        start_from(Path(config.start), net)
    net.to(device)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for side_px in sorted(set(sides_px)):
        check_takes(net, side_px)
    state = State(net, config)
    run = {
        "config": asdict(config),
        "data": dataset.about(),
        "bf16": bf16,
        "files": digests(config),
    }
    if (out / RESUME).exists():
        state.restore(out / RESUME, run)
        if state.step == total and (out / WEIGHTS).exists():
            return out / WEIGHTS
    elif (out / WEIGHTS).exists():
        raise TrainingError(
            f"{out / WEIGHTS} is there and {RESUME}, by which it would be known whose it is, is"
            " not: move it away, or give another folder"
        )

    started_s = time.monotonic() - state.elapsed_s
    bar = tqdm(
        desc=f"{config.arch} on {device}",
        unit="img",
        unit_scale=config.batch,
        initial=state.step,
        total=total,
        smoothing=0.05,
    )
    with logs(out, state.step // batches.per_epoch) as log, bar:
        while state.step < total:
            side_px = sides_px[state.step // batches.per_epoch]
            torch.manual_seed(config.seed * 1_000_003 + state.step)  # for nets that drop out
            images, wanted = batches(state.step)
            if config.teachers:
                wanted = wanted.lerp(teachers(images), config.distil)
            images = resized(images, side_px).contiguous(memory_format=torch.channels_last)

            net.train()
            with torch.autocast(device, torch.bfloat16, enabled=bf16):
                loss = F.cross_entropy(net(images), wanted)
            rate = learning_rate(config, state.step / total)
            state.advance(loss, rate)

            bar.update()
            epochs, further = divmod(state.step, batches.per_epoch)
            saves = state.step == total or state.step % config.save_every == 0
            if not further or saves or state.step % SHOW_EVERY == 0:
                shown = loss.item()
                _check(shown, state.step)
                bar.set_postfix(epochs=epochs, px=side_px, loss=f"{shown:.3f}")
            if not further:
                accuracy, validation_loss = validate(state.average, validation, side_px)
                _check(validation_loss, state.step)
                state.elapsed_s = time.monotonic() - started_s
                log(
                    epochs,
                    {
                        "side_px": side_px,
                        "loss": round(state.epoch_loss.item() / batches.per_epoch, 5),
                        "validation_accuracy": round(accuracy, 5),
                        "validation_loss": round(validation_loss, 5),
                        "learning_rate": round(rate, 6),
                        "elapsed_s": round(state.elapsed_s, 1),
                    },
                )
                state.epoch_loss.zero_()
            if saves:
                state.elapsed_s = time.monotonic() - started_s
                state.save(out / RESUME, run)

    about = About(
        arch=config.arch,
        labels=dataset.labels,
        tile_px=config.tile_px,
        net_px=sides_px[-1],
        recipe=asdict(config),
        data=dataset.about(),
        made={
            "device": devices.described(device),
            "precision": "bf16" if bf16 else "fp32",
            "torch": torch.__version__,
            "elapsed_s": round(state.elapsed_s),
            "files": run["files"],
            "kept_apart": apart,
        },
    )
    checkpoint.write(out / WEIGHTS, state.average, about)
    return out / WEIGHTS


def _check(loss: float, step: int) -> None:
    """Raise ``AstrayError`` where a net is lost, before it is kept."""
    if not math.isfinite(loss):
        raise AstrayError(
            f"the loss is {loss} after {step:,} steps: the run went astray. Begin another one, in"
            " another folder, with a lower peak_lr or a longer warmup"
        )


def learning_rate(config: Config, done: float) -> float:
    """Return the learning rate when a share ``done`` of all steps is done: one cycle."""
    if done < config.warmup:
        return config.peak_lr * (0.02 + 0.98 * done / config.warmup)
    cooled = (done - config.warmup) / (1 - config.warmup)
    return config.peak_lr * (1 + math.cos(math.pi * cooled)) / 2


@torch.inference_mode()
def validate(net: nn.Module, tiles: Tiles, side_px: int, batch: int = 256) -> tuple[float, float]:
    """Return accuracy and mean cross entropy on ``tiles``, not in bf16, seen at ``side_px``."""
    net.eval()
    device = next(net.parameters()).device
    right, loss = 0.0, 0.0
    for start in range(0, len(tiles), batch):
        part = slice(start, start + batch)
        images = resized(normalise(torch.from_numpy(tiles.pixels[part]).to(device)), side_px)
        classes = torch.from_numpy(tiles.classes[part]).to(device)
        logits = net(images.contiguous(memory_format=torch.channels_last))
        right += (logits.argmax(1) == classes).sum().item()
        loss += F.cross_entropy(logits, classes, reduction="sum").item()
    return right / len(tiles), loss / len(tiles)
