"""What is not a sound image, or not one image, or not one that can be classified."""

from __future__ import annotations

from functools import partial

import numpy as np
from PIL import Image

from tests.corpus import handmade
from tests.corpus.case import SIDE, Case, encode, picture
from tests.corpus.sound import jpeg

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><rect width="64"/></svg>'
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\nshowpage\n"
TIFF_HUGE = 2**32 - 1


def _cut(data: bytes, share: float) -> bytes:
    return data[: int(len(data) * share)]


def _png() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    return encode(Image.fromarray(noise), "PNG")


def _several(image_format: str) -> bytes:
    frames = [picture(), picture().transpose(Image.Transpose.ROTATE_90)]
    return encode(frames[0], image_format, save_all=True, append_images=frames[1:])


def _flipped(data: bytes, at: int) -> bytes:
    damaged = bytearray(data)
    damaged[at] ^= 0xFF
    return bytes(damaged)


def _float_tiff() -> bytes:
    return encode(picture().convert("F"), "TIFF")


def _tiff_of_many_bands() -> bytes:
    # As EuroSAT's own multispectral tiles are.
    bands = 13
    tags: handmade.Tags = {
        handmade.WIDTH: (handmade.SHORT, [SIDE]),
        handmade.HEIGHT: (handmade.SHORT, [SIDE]),
        handmade.BITS: (handmade.SHORT, [16] * bands),
        handmade.COMPRESSION: (handmade.SHORT, [1]),
        handmade.PHOTOMETRIC: (handmade.SHORT, [1]),
        handmade.STRIP_OFFSETS: (handmade.LONG, [8]),
        handmade.SAMPLES: (handmade.SHORT, [bands]),
        handmade.ROWS_PER_STRIP: (handmade.SHORT, [SIDE]),
        handmade.STRIP_BYTES: (handmade.LONG, [SIDE * SIDE * bands * 2]),
    }
    return handmade.tiff(tags, bytes(SIDE * SIDE * bands * 2))


def _tiff(others: dict[int, int]) -> bytes:
    return handmade.grey_tiff((SIDE, SIDE), bytes(SIDE * SIDE), others=others)


def _bmp(**members: int) -> bytes:
    return handmade.bmp((SIDE, SIDE), bytes(SIDE * SIDE * 3), **members)  # type: ignore[arg-type]


DAMAGED = (
    Case("no bytes", lambda: b"", "empty_file"),
    Case("one byte", lambda: b"\xff", "not_an_image"),
    Case("text", lambda: b"not an image\n" * 100, "not_an_image"),
    Case("zeros", lambda: bytes(5000), "not_an_image"),
    Case("HTML", lambda: b"<!doctype html><title>x</title>", "not_an_image"),
    Case("SVG", lambda: SVG, "not_an_image"),
    Case("EPS", lambda: EPS, "not_an_image"),
    Case("ZIP", handmade.empty_zip, "not_an_image"),
    Case("GIF", lambda: encode(picture(), "GIF"), "not_an_image"),
    Case("animated GIF", lambda: _several("GIF"), "not_an_image"),
    Case("GIF header with JavaScript", lambda: b"GIF89a=1;alert(1)//" + bytes(99), "not_an_image"),
    Case("JPEG behind a PDF", lambda: b"%PDF-1.7\n%%EOF\n" + jpeg(), "not_an_image"),
    Case("RIFF that is a sound", lambda: b"RIFF\x24\0\0\0WAVEfmt " + bytes(99), "not_an_image"),
    Case("text that begins with BM", lambda: b"BMW is a make of cars." * 9, "not_an_image"),
    Case("BMP with reserved bytes", lambda: _bmp(reserved=7), "not_an_image"),
    Case("BigTIFF", lambda: encode(picture(), "TIFF", big_tiff=True), "not_an_image"),
    Case("animated WebP", lambda: _several("WEBP"), "animated_image"),
    Case("APNG", lambda: _several("PNG"), "animated_image"),
    Case("TIFF of two pages", lambda: _several("TIFF"), "animated_image"),
    Case("32-bit float TIFF", _float_tiff, "unsupported_mode"),
    Case("32-bit integer TIFF", lambda: encode(picture().convert("I"), "TIFF"), "unsupported_mode"),
    Case(
        "12-bit TIFF",
        lambda: handmade.grey_tiff((SIDE, SIDE), bytes(SIDE * SIDE * 3 // 2), bits=12),
        "unsupported_mode",
    ),
    Case(
        "16-bit TIFF with white as zero",
        lambda: handmade.grey_tiff(
            (SIDE, SIDE), bytes(SIDE * SIDE * 2), bits=16, others={handmade.PHOTOMETRIC: 0}
        ),
        "unsupported_mode",
    ),
    Case("16-bit TIFF of 13 bands", _tiff_of_many_bands, "unsupported_mode"),
    Case("1x1 PNG", lambda: encode(picture(1), "PNG"), "image_too_small"),
    Case("1000x7 JPEG", lambda: encode(picture().resize((1000, 7)), "JPEG"), "image_too_small"),
    *(
        Case(f"JPEG cut at {share:.1%}", partial(_cut, jpeg(), share), "truncated_image")
        for share in (0.005, 0.1, 0.5, 0.9)
    ),
    *(
        Case(f"PNG cut at {share:.1%}", partial(_cut, _png(), share), "truncated_image")
        for share in (0.001, 0.002, 0.1, 0.5, 0.9)
    ),
    Case("JPEG without its end", lambda: jpeg().removesuffix(handmade.EOI), "truncated_image"),
    Case("TIFF cut in half", lambda: _cut(encode(picture(), "TIFF"), 0.5), "truncated_image"),
    Case("WebP cut in half", lambda: _cut(encode(picture(), "WEBP"), 0.5), "truncated_image"),
    Case("BMP cut in half", lambda: _cut(encode(picture(), "BMP"), 0.5), "truncated_image"),
    Case("PNG with a wrong header", lambda: _flipped(_png(), 30), "truncated_image"),
    Case("BMP of 7 bits", lambda: _bmp(bits=7), "truncated_image"),
    Case("BMP with pixels past its end", lambda: _bmp(offset=1 << 30), "truncated_image"),
    Case(
        "TIFF of 4 billion samples",
        lambda: _tiff({handmade.SAMPLES: TIFF_HUGE}),
        "unsupported_mode",
    ),
    Case(
        "TIFF with a strip past its end",
        lambda: _tiff({handmade.STRIP_OFFSETS: TIFF_HUGE}),
        "truncated_image",
    ),
    Case(
        "TIFF of unknown compression",
        lambda: _tiff({handmade.COMPRESSION: 999}),
        "unsupported_mode",
    ),
)
