"""Other views of the same tiles: what a satellite could as well have seen, or an upload been.

All work on whole batches, on whatever device they lie. The order of a batch is random
already, so "a share of the images" is its first or its last few.
"""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from model.images import Pixels
from model.reference.architecture import normalise, resized
from model.training.config import Config

SYMMETRIES = 8  # of the square: four quarter turns, each as it is and mirrored
LOW_QUALITY = (15, 60)  # of JPEG, at least and below
SMALLEST = 0.35  # share of its side that an image is made smaller to, at most


def turned(images: Tensor, symmetry: int) -> Tensor:
    """Turn the last two dimensions by one of the eight symmetries of the square.

    A satellite tile has no up and no left: each is as good a tile as the first.
    """
    images = torch.rot90(images, symmetry % 4, (-2, -1))
    return images.flip(-1) if symmetry >= 4 else images


def worsened(pixels: Pixels, seed: int) -> Pixels:
    """Return the tiles (n, side, side, 3) as they come back from JPEGs of low quality."""
    chance = np.random.default_rng(seed)
    worse = np.empty_like(pixels)
    for number, tile in enumerate(pixels):
        file = io.BytesIO()
        Image.fromarray(tile).save(file, "JPEG", quality=int(chance.integers(*LOW_QUALITY)))
        worse[number] = np.asarray(Image.open(file))
    return worse


def augment(
    pixels: Tensor,
    symmetries: np.ndarray,
    config: Config,
    chance: np.random.Generator,
) -> Tensor:
    """uint8 NHWC tiles to a normalised float32 batch NCHW of the same size.

    Tile ``i`` is turned by ``symmetries[i]``, then shifted, brightened and given contrast at
    random; some are softened.
    """
    n, full = len(pixels), pixels.shape[1]
    images = _moved(pixels, symmetries, config.shift_px, chance).float()

    def factor(spread: float) -> Tensor:
        factors = torch.from_numpy(chance.uniform(1 - spread, 1 + spread, n)).float()
        return factors.to(pixels.device, non_blocking=True).view(n, 1, 1, 1)

    mean = images.mean((1, 2, 3), keepdim=True)
    images = ((images - mean) * factor(config.contrast) + mean) * factor(config.brightness)
    images = normalise(images.clamp(0, 255))
    if soft := round(config.soften * n):
        smaller = int(full * chance.uniform(SMALLEST, 1))
        images[:soft] = resized(resized(images[:soft], smaller), full)
    return images


def _moved(
    pixels: Tensor, symmetries: np.ndarray, shift_px: int, chance: np.random.Generator
) -> Tensor:
    # One look-up does both, and so each pixel stays what it was: where in the tile does
    # each place get its pixel from?
    n, full = len(pixels), pixels.shape[1]
    device = pixels.device
    drawn = torch.from_numpy(chance.integers(-shift_px, shift_px + 1, (2, n, 1)))
    shifts = drawn.to(device, non_blocking=True)
    down, across = (torch.arange(full, device=device) + shifts).abs()  # reflects at 0
    down, across = (full - 1 - (full - 1 - at).abs() for at in (down, across))  # and at the end
    of = torch.from_numpy(symmetries).to(device, non_blocking=True)
    source = _tables(full, device)[of[:, None, None], down[:, :, None], across[:, None, :]]
    which = torch.arange(n, device=device)[:, None, None]
    return pixels.reshape(n, full * full, 3)[which, source]


@cache
def _tables(full: int, device: torch.device) -> Tensor:
    """(8, full, full): for each symmetry and place, where in the tile its pixel comes from."""
    places = torch.arange(full * full, device=device).view(full, full)
    return torch.stack([turned(places, symmetry) for symmetry in range(SYMMETRIES)])


def blend(
    images: Tensor, targets: Tensor, config: Config, chance: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Blend each image with another of its batch, and their targets alike.

    Mixup (Zhang et al. 2018, arXiv:1710.09412) or, in a share of the steps, CutMix (Yun et
    al. 2019, arXiv:1905.04899).
    """
    others, other_targets = images.flip(0), targets.flip(0)
    if chance.random() < config.cutmix:
        side = images.shape[-1]
        length = round(side * (1 - chance.uniform()) ** 0.5)  # uniform in area
        top, left = chance.integers(0, side - length + 1, 2)
        images = images.clone()
        window = (..., slice(top, top + length), slice(left, left + length))
        images[window] = others[window]
        return images, targets.lerp(other_targets, (length / side) ** 2)
    if config.mixup:
        weight = 1 - chance.beta(config.mixup, config.mixup)
        return images.lerp(others, weight), targets.lerp(other_targets, weight)
    return images, targets
