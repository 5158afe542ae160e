"""Tiles as uploads are: compressed, blurred, too bright, turned, scaled. Not as the test set is.

Each shift takes and gives uint8 tiles (n, side, side, 3).
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from model.images import Pixels

Shift = Callable[[Pixels], Pixels]


def _each(change: Callable[[Image.Image], Image.Image]) -> Shift:
    def shifted(pixels: Pixels) -> Pixels:
        return np.stack([np.asarray(change(Image.fromarray(tile))) for tile in pixels])

    return shifted


def _jpeg(quality: int) -> Shift:
    def change(tile: Image.Image) -> Image.Image:
        file = io.BytesIO()
        tile.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return _each(change)


def _brightness(factor: float) -> Shift:
    return _each(lambda tile: ImageEnhance.Brightness(tile).enhance(factor))


def _blur(radius_px: float) -> Shift:
    return _each(lambda tile: tile.filter(ImageFilter.GaussianBlur(radius_px)))


def _turn(quarters: int) -> Shift:
    return lambda pixels: np.ascontiguousarray(np.rot90(pixels, quarters, axes=(1, 2)))


def _resize(factor: float) -> Shift:
    def change(tile: Image.Image) -> Image.Image:
        other = tile.resize((round(tile.width * factor),) * 2, Image.Resampling.BILINEAR)
        return other.resize(tile.size, Image.Resampling.BILINEAR)

    return _each(change)


SHIFTS: dict[str, Shift] = {
    "JPEG quality 30": _jpeg(30),
    "blur, radius 1 px": _blur(1.0),
    "brightness × 0.75": _brightness(0.75),
    "brightness × 1.25": _brightness(1.25),
    "turned by 90°": _turn(1),
    "turned by 180°": _turn(2),
    "turned by 270°": _turn(3),
    "resized to 1/2 and back": _resize(0.5),
    "resized to 2× and back": _resize(2.0),
}
