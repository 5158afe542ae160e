"""An augmented tile still shows what it showed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="pip install -r requirements/train.txt")

from model.images import Pixels, decode  # noqa: E402
from model.reference.architecture import normalise  # noqa: E402
from model.training.augment import SYMMETRIES, augment, blend, turned, worsened  # noqa: E402
from model.training.config import Config  # noqa: E402

PLAIN = Config(shift_px=0, brightness=0, contrast=0, soften=0, jpeg=0)


@pytest.fixture(scope="module")
def pixels(tiles: list[Path]) -> Pixels:
    return np.stack([decode(path.read_bytes()) for path in tiles[:16]])


def chance(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_eight_symmetries_are_eight() -> None:
    square = torch.arange(9).view(3, 3)
    assert len({tuple(turned(square, k).flatten().tolist()) for k in range(SYMMETRIES)}) == 8


def test_each_tile_is_turned_as_it_was_said(pixels: Pixels) -> None:
    symmetries = chance().integers(0, SYMMETRIES, len(pixels))
    batch = augment(torch.from_numpy(pixels), symmetries, PLAIN, chance())
    straight = normalise(torch.from_numpy(pixels))
    for image, tile, symmetry in zip(batch, straight, symmetries, strict=True):
        assert torch.allclose(image, turned(tile, int(symmetry)), atol=1e-5)


def test_a_shift_moves_and_mirrors_at_the_border(pixels: Pixels) -> None:
    still = np.zeros(len(pixels), int)
    shifting = replace(PLAIN, shift_px=4)
    batch = augment(torch.from_numpy(pixels), still, shifting, chance(3))
    down, across = chance(3).integers(-4, 5, (2, len(pixels), 1))
    for image, tile, dy, dx in zip(batch, pixels, down[:, 0], across[:, 0], strict=True):
        padded = np.pad(tile, ((4, 4), (4, 4), (0, 0)), mode="reflect")
        moved = padded[4 + dy : 68 + dy, 4 + dx : 68 + dx]
        assert torch.allclose(image, normalise(torch.from_numpy(moved[None].copy()))[0], atol=1e-5)


def test_equal_seeds_give_equal_batches(pixels: Pixels) -> None:
    batches = [
        augment(torch.from_numpy(pixels), np.arange(16) % 8, Config(), chance(seed))
        for seed in (1, 1, 2)
    ]
    assert torch.equal(batches[0], batches[1])
    assert not torch.equal(batches[0], batches[2])


def test_worse_tiles_are_the_same_places(pixels: Pixels) -> None:
    worse = worsened(pixels, seed=0)
    assert worse.shape == pixels.shape
    assert worse.dtype == np.uint8
    difference = np.abs(worse.astype(int) - pixels).mean()
    assert 1 < difference < 20
    assert np.array_equal(worse, worsened(pixels, seed=0))


@pytest.mark.parametrize("config", [Config(mixup=0.5), Config(cutmix=1.0)], ids=["mixup", "cutmix"])
def test_what_is_blended_is_blended_in_its_target_alike(config: Config) -> None:
    # Images that are all zeros or all ones: their mean is the share of the ones.
    images = torch.zeros(8, 3, 16, 16)
    images[4:] = 1
    targets = torch.tensor([[1.0, 0.0]] * 4 + [[0.0, 1.0]] * 4)
    blended, wanted = blend(images, targets, config, chance(5))
    assert blended.mean((1, 2, 3)).numpy() == pytest.approx(wanted[:, 1].numpy(), abs=1e-6)
    assert images[:4].max() == 0  # the originals are left alone
    assert not torch.equal(wanted, targets)


def test_nothing_is_blended_where_nothing_is_to_be() -> None:
    images, targets = torch.rand(4, 3, 8, 8), torch.eye(4)
    assert blend(images, targets, Config(mixup=0, cutmix=0), chance()) == (images, targets)
