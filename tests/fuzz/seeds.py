"""Sound files that mutations begin with: every accepted format, in several kinds of each."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from model.formats import MEDIA_TYPES
from tests.corpus import SOUND
from tests.corpus.case import encode, picture

TILES = Path(__file__).parents[1] / "data" / "eurosat"
FORMATS = tuple(MEDIA_TYPES)
SMALL_BYTES = 100_000  # a mutation of more would be mostly pixels
MODES = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "WEBP": ("RGB", "RGBA"),
    "TIFF": ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "I", "LAB", "YCbCr"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
}
OPTIONS: dict[str, tuple[dict[str, Any], ...]] = {
    "JPEG": (
        *({"quality": quality} for quality in (1, 75, 95)),
        {"progressive": True},
        {"optimize": True, "restart_marker_blocks": 1},
        {"subsampling": 2},
    ),
    "PNG": ({}, {"optimize": True}, {"compress_level": 0}),
    "WEBP": ({}, {"lossless": True}, {"quality": 5, "alpha_quality": 0}),
    "TIFF": tuple(
        {} if name == "raw" else {"compression": name}
        for name in ("raw", "tiff_lzw", "tiff_deflate", "packbits", "jpeg", "tiff_adobe_deflate")
    ),
    "BMP": ({},),
}


@cache
def sound(image_format: str) -> tuple[bytes, ...]:
    """Return sound, small files of the format: those of the corpus, and real tiles."""
    # The profile that Pillow makes for LAB has a date in it; an input is the same at any time.
    found = [
        case.data for case in SOUND if case.sniffed == image_format and case.name != "LAB TIFF"
    ]
    tiles = [path.read_bytes() for path in sorted(TILES.glob("*/*.jpg"))[::5]]
    if image_format == "JPEG":
        found += tiles
    else:
        found += [encode(_opened(tile), image_format) for tile in tiles[:3]]
    return tuple(data for data in found if len(data) <= SMALL_BYTES)


@cache
def profile() -> bytes:
    """Return a sound ICC profile, the same at any time."""
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return made[:24] + bytes(12) + made[36:]  # without its date (ICC.1, 7.2.8)


def drawn(image_format: str, rng: Random) -> bytes:
    """Return a sound file of some size, mode and options, its pixels noise or a picture."""
    side = rng.choice((8, 9, 16, 31, 64, 65, 100, 257))
    size = (side, rng.choice((8, side, 2 * side)))
    if rng.random() < 0.5:
        image = picture().resize(size)
    else:
        noise = np.random.default_rng(rng.getrandbits(32)).integers(0, 256, (*size[::-1], 3))
        image = Image.fromarray(noise.astype(np.uint8))
    mode = rng.choice(MODES[image_format])
    options = dict(rng.choice(OPTIONS[image_format]))
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) << 8)
    else:
        image = image.convert(mode)
        image.info.pop("icc_profile", None)  # with its date, as above
    if options.get("compression") == "jpeg" and mode not in ("L", "RGB"):
        options = {}
    return encode(image, image_format, **options)


def frames(image_format: str, rng: Random) -> bytes:
    """Return a file of several frames, pages or views, where the format has any."""
    side = rng.choice((8, 64))
    shown = [picture(side).rotate(90 * turn) for turn in range(rng.choice((2, 3, 20)))]
    kind = "MPO" if image_format == "JPEG" else image_format
    if kind == "BMP":  # it has none: several behind each other
        return b"".join(encode(one, "BMP") for one in shown)
    return encode(shown[0], kind, save_all=True, append_images=shown[1:])


def _opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data)).convert("RGB")
