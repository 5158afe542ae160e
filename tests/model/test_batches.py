"""Every image of a batch comes with its own target, whatever was done to either."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="pip install -r requirements/train.txt")

import torch

from model.data import Tiles
from model.errors import ConfigError, TrainingError
from model.reference.architecture import MEAN, STD
from model.training.batches import Batches
from model.training.config import Config

N = 24
PLAIN = Config(
    batch=8,
    label_smoothing=0,
    shift_px=0,
    brightness=0,
    contrast=0,
    soften=0,
    jpeg=0,
    mixup=0,
    cutmix=0,
)


@pytest.fixture(scope="module")
def tiles() -> Tiles:
    """Make tiles of one grey each, that is their number; a corner of each is white."""
    pixels = np.empty((N, 64, 64, 3), np.uint8)
    for number in range(N):
        pixels[number] = 8 * number
        pixels[number, :8, 8:24] = 255
    return Tiles(pixels, np.arange(N) % 10, [str(number) for number in range(N)])


def numbers(images: torch.Tensor) -> list[int]:
    """Read the tiles' numbers from their greys."""
    greys = images[:, 0].flatten(1).median(1).values * STD[0] + MEAN[0]
    return [round(grey / 8) for grey in greys.tolist()]


@pytest.mark.parametrize(
    "config",
    [PLAIN, replace(PLAIN, jpeg=0.5), replace(PLAIN, soften=0.5), replace(PLAIN, shift_px=4)],
    ids=["plain", "jpeg", "soften", "shift"],
)
def test_each_image_has_the_label_of_its_tile(tiles: Tiles, config: Config) -> None:
    batches = Batches(tiles, 10, config, "cpu")
    for step in range(6):
        images, wanted = batches(step)
        shown = numbers(images)
        assert wanted.argmax(1).tolist() == [number % 10 for number in shown]
        assert wanted.sum(1).tolist() == [1.0] * 8


def test_an_epoch_shows_every_tile_once_and_the_next_in_another_order(tiles: Tiles) -> None:
    batches = Batches(tiles, 10, PLAIN, "cpu")
    assert batches.per_epoch == 3
    epochs = [
        [number for step in range(3) for number in numbers(batches(3 * epoch + step)[0])]
        for epoch in range(2)
    ]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(N))
    assert epochs[0] != epochs[1]


def test_a_batch_depends_on_its_step_alone(tiles: Tiles) -> None:
    config = Config(batch=8, mixup=0.3, cutmix=0.5)
    forwards, backwards = Batches(tiles, 10, config, "cpu"), Batches(tiles, 10, config, "cpu")
    made = [forwards(step) for step in range(6)]
    for step in reversed(range(6)):
        images, wanted = backwards(step)
        assert torch.equal(images, made[step][0])
        assert torch.equal(wanted, made[step][1])


def test_smoothing_shares_the_target_as_it_says(tiles: Tiles) -> None:
    _, wanted = Batches(tiles, 10, replace(PLAIN, label_smoothing=0.1), "cpu")(0)
    for target in wanted:
        assert sorted(target.tolist()) == pytest.approx([0.01] * 9 + [0.91], abs=1e-6)


def test_too_few_tiles_or_too_wide_a_shift_are_told(tiles: Tiles) -> None:
    with pytest.raises(TrainingError, match="24 tiles to train on; a batch takes 64"):
        Batches(tiles, 10, replace(PLAIN, batch=64), "cpu")
    with pytest.raises(ConfigError, match="shift_px=64"):
        Batches(tiles, 10, replace(PLAIN, shift_px=64), "cpu")
