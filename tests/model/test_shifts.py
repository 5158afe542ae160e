"""Each shift changes what it names, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.evaluation.shifts import SHIFTS
from model.images import Pixels, decode


@pytest.fixture(scope="module")
def pixels(tiles: list[Path]) -> Pixels:
    return np.stack([decode(path.read_bytes()) for path in tiles[::5]])


def roughness(pixels: Pixels) -> float:
    return float(np.abs(np.diff(pixels.astype(int), axis=2)).mean())


@pytest.mark.parametrize("name", SHIFTS)
def test_tiles_stay_tiles_and_the_originals_as_they_were(name: str, pixels: Pixels) -> None:
    before = pixels.copy()
    shifted = SHIFTS[name](pixels)
    assert shifted.shape == pixels.shape
    assert shifted.dtype == np.uint8
    assert np.array_equal(pixels, before)
    assert not np.array_equal(shifted, pixels)


def test_four_quarter_turns_are_none(pixels: Pixels) -> None:
    once, twice = SHIFTS["turned by 90°"], SHIFTS["turned by 180°"]
    assert np.array_equal(once(once(pixels)), twice(pixels))
    assert np.array_equal(twice(twice(pixels)), pixels)
    assert np.array_equal(SHIFTS["turned by 270°"](once(pixels)), pixels)


def test_brightness_scales_and_blur_smooths(pixels: Pixels) -> None:
    dark = SHIFTS["brightness × 0.75"](pixels)
    assert dark.mean() == pytest.approx(0.75 * pixels.mean(), rel=0.01)
    for name in ("blur, radius 1 px", "resized to 1/2 and back"):
        assert roughness(SHIFTS[name](pixels)) < 0.8 * roughness(pixels)
        assert SHIFTS[name](pixels).mean() == pytest.approx(pixels.mean(), rel=0.02)
