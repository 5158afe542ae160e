"""One upload with what must become of it, and the picture that most of them show."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from PIL import Image

from model.formats import SIGNATURE_BYTES, sniff

SIDE = 64
QUARTERS = {
    (0, 0): (220, 30, 40),
    (SIDE // 2, 0): (30, 180, 60),
    (0, SIDE // 2): (40, 50, 210),
    (SIDE // 2, SIDE // 2): (200, 180, 50),
}


def picture(side: int = SIDE) -> Image.Image:
    """Draw four quarters of different colours: every turn and mirroring of it differs."""
    drawn = Image.new("RGB", (SIDE, SIDE))
    for corner, colour in QUARTERS.items():
        drawn.paste(colour, (*corner, corner[0] + SIDE // 2, corner[1] + SIDE // 2))
    return drawn.resize((side, side), Image.Resampling.NEAREST)


def grey_picture() -> Image.Image:
    """Return the picture without its colours."""
    return picture().convert("L").convert("RGB")


def encode(image: Image.Image, image_format: str, **options: Any) -> bytes:
    """Return the image as a file of that format."""
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


@dataclass(frozen=True)
class Case:
    """An upload, made when first asked for, and what decoding it must give.

    ``expects``: the code of the error, or ``None`` for a tile. ``shows``: the picture of
    that tile, met to a mean difference of ``within``. ``limit_s``: the time limit to try
    it with, where it is about time.
    """

    name: str
    make: Callable[[], bytes]
    expects: str | None = None
    shows: Callable[[], Image.Image] | None = None
    within: float = 0.0
    limit_s: float | None = None

    @cached_property
    def data(self) -> bytes:
        """The file's bytes."""
        return self.make()

    @property
    def sniffed(self) -> str | None:
        """The format that its first bytes promise."""
        return sniff(self.data[:SIGNATURE_BYTES])

    @property
    def refused_at_the_door(self) -> bool:
        """Whether the API refuses it at once, by its first bytes."""
        return self.expects in ("empty_file", "not_an_image")


def by_name(case: Case) -> str:
    """Name a parametrised test after its case."""
    return case.name
