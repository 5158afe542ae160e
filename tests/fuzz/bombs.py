"""Small files that ask for much memory or time, in every accepted format."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from random import Random

from PIL import Image

from tests.corpus import handmade
from tests.corpus.case import SIDE, encode, picture
from tests.corpus.hostile import arithmetic_bomb, scan_bomb
from tests.corpus.sound import jpeg
from tests.fuzz.parts import png_of, png_parts, resized

Make = Callable[[Random], bytes]
BIG = 5000  # as many pixels as there may be, if both sides are
MEGABYTES = (1, 20, 200)  # that a few kilobytes inflate to


def _side(rng: Random) -> int:
    return rng.choice((1000, 3000, BIG, BIG + 1, 30_000))


@cache
def _zeros(size: int) -> bytes:
    return handmade.deflated_zeros(size)


def _png_pixels(rng: Random) -> bytes:
    side, bits, colour = _side(rng), rng.choice((1, 8)), rng.choice((0, 2, 3, 6))
    if colour in (2, 6):
        bits = 8
    channels = {0: 1, 2: 3, 3: 1, 6: 4}[colour]
    rows = side * (1 + (side * bits * channels + 7) // 8)
    extra = handmade.png_chunk(b"PLTE", bytes(768)) if colour == 3 else b""
    return handmade.png((side, side), bits, colour, _zeros(min(rows, 80_000_000)), extra)


def _png_texts(rng: Random) -> bytes:
    kind, before = rng.choice(
        ((b"zTXt", b"k\0\0"), (b"iCCP", b"i\0\0"), (b"iTXt", b"k\0\x01\0\0\0"), (b"eXIf", b""))
    )
    chunk = (kind, before + _zeros(rng.choice(MEGABYTES) * 1_000_000))
    header, *rest = png_parts(encode(picture(), "PNG"))
    return png_of([header, *[chunk] * rng.choice((1, 30)), *rest])


def _png_chunks(rng: Random) -> bytes:
    header, *rest = png_parts(encode(picture(), "PNG"))
    kind = rng.choice((b"tEXt", b"IDAT", b"sPLT", b"abCd", b"fcTL", b"acTL"))
    small = handmade.png_chunk(kind, rng.choice((b"", b"k\0v")))
    count = rng.choice((1000, 100_000))
    return png_of([header]) + small * count + png_of(rest).removeprefix(handmade.PNG_SIGNATURE)


def _jpeg_size(rng: Random) -> bytes:
    whole = jpeg(progressive=rng.random() < 0.5)
    return resized("JPEG", whole, (_side(rng), _side(rng)))


def _jpeg_scans(rng: Random) -> bytes:
    make = rng.choice((scan_bomb, arithmetic_bomb))
    side = rng.choice((64, 64, 512, 2048))
    return make((side, side), rng.choice((10, 60, 1000)))


def _jpeg_segments(rng: Random) -> bytes:
    marker = rng.choice((handmade.APP1, 0xE2, 0xDB, handmade.DHT, handmade.COMMENT, 0xDD, 0xC0))
    content = rng.choice((b"", b"Exif\0\0II*\0\x08\0\0\0", b"ICC_PROFILE\0\x01\xff", bytes(65)))
    segment = handmade.jpeg_segment(marker, content) * rng.choice((100, 50_000))
    return handmade.SOI + segment + jpeg().removeprefix(handmade.SOI)


def _jpeg_exif_loop(rng: Random) -> bytes:
    pointer = rng.choice((0x8769, 0x8825, 0xA005, 0x927C))
    directory = struct.pack("<HHHII", 1, pointer, handmade.LONG, 1, 8) + struct.pack("<I", 8)
    segment = handmade.jpeg_segment(handmade.APP1, b"Exif\0\0II*\0\x08\0\0\0" + directory)
    return handmade.SOI + segment + jpeg(dpi=(72, 72)).removeprefix(handmade.SOI)


@cache
def _webp_plain(side: int, lossless: bool) -> bytes:
    return encode(Image.new("RGB", (side, side)), "WEBP", lossless=lossless, method=0, quality=1)


def _webp_pixels(rng: Random) -> bytes:
    return _webp_plain(rng.choice((1000, 3000, BIG)), rng.random() < 0.5)


def _webp_size(rng: Random) -> bytes:
    whole = encode(picture(), "WEBP", lossless=rng.random() < 0.5)
    return resized("WEBP", whole, (rng.choice((BIG, 16_383)), rng.choice((BIG, 1500, 16_383))))


@cache
def _webp_many(count: int) -> bytes:
    shown = [Image.new("RGB", (8, 8), (number % 256, 0, 0)) for number in range(count)]
    return encode(shown[0], "WEBP", save_all=True, append_images=shown[1:], method=0)


def _tiff_strips(rng: Random) -> bytes:
    side, compression = _side(rng), rng.choice((1, 5, 8, 32773, 2, 3, 4, 7, 34676, 34925, 50000))
    stream = _zeros(rng.choice(MEGABYTES) * 1_000_000) if compression == 8 else bytes(2000)
    count = rng.choice((1, 1, 1000, 60_000))
    numbers: dict[int, tuple[int, list[int]]] = {
        handmade.WIDTH: (handmade.LONG, [side]),
        handmade.HEIGHT: (handmade.LONG, [side]),
        handmade.BITS: (handmade.SHORT, [rng.choice((1, 8, 8, 16))]),
        handmade.COMPRESSION: (handmade.SHORT, [compression]),
        handmade.PHOTOMETRIC: (handmade.SHORT, [rng.choice((0, 1, 2, 6))]),
        handmade.SAMPLES: (handmade.SHORT, [rng.choice((1, 3, 4, 65_535))]),
        handmade.ROWS_PER_STRIP: (handmade.LONG, [max(1, side // count)]),
        handmade.STRIP_OFFSETS: (handmade.LONG, [8] * count),
        handmade.STRIP_BYTES: (handmade.LONG, [len(stream)] * count),
    }
    return handmade.tiff(numbers, stream)


def _tiff_tiles(rng: Random) -> bytes:
    return handmade.tiled_tiff(
        (_side(rng), rng.choice((8, SIDE, 5000))),
        (rng.choice((16, 256, 4096)), rng.choice((16, 256, 4096, 1 << 16))),
    )


def _tiff_pages(rng: Random) -> bytes:
    """Return a chain of directories that ends, or comes back to its beginning."""
    entry = struct.pack("<HHII", handmade.WIDTH, handmade.SHORT, 1, SIDE)
    entry += struct.pack("<HHII", handmade.HEIGHT, handmade.SHORT, 1, SIDE)
    count, size = rng.choice((2, 1000, 50_000)), 2 + len(entry) + 4
    last = rng.choice((0, 8))
    pages = (
        struct.pack("<H", 2)
        + entry
        + struct.pack("<I", 8 + size * (number + 1) if number + 1 < count else last)
        for number in range(count)
    )
    return b"II*\0\x08\0\0\0" + b"".join(pages)


def _tiff_counts(rng: Random) -> bytes:
    """Return a TIFF whose tags tell of far more values than there are bytes, or of all of them."""
    padding = bytes(rng.choice((1000, 4_000_000)))
    whole = handmade.grey_tiff((SIDE, SIDE), bytes(SIDE * SIDE) + padding, others={270: 0, 305: 0})
    changed = bytearray(whole)
    (at,) = struct.unpack_from("<I", whole, 4)
    (tags,) = struct.unpack_from("<H", whole, at)
    for number in range(tags):
        (tag,) = struct.unpack_from("<H", whole, at + 2 + 12 * number)
        if tag in (270, 305, handmade.BITS, handmade.STRIP_BYTES) and rng.random() < 0.6:
            many = rng.choice((len(padding) // 8, 2**28, 2**32 - 1))
            kind = rng.choice((1, 2, 3, 4, 5, 7, 12))
            struct.pack_into("<HII", changed, at + 2 + 12 * number + 2, kind, many, 8)
    return bytes(changed)


def _bmp_size(rng: Random) -> bytes:
    bits = rng.choice((1, 4, 8, 24, 32))
    return handmade.bmp((_side(rng), _side(rng) * rng.choice((1, -1))), bytes(5000), bits=bits)


def _bmp_runs(rng: Random) -> bytes:
    """Return a BMP whose runs of equal pixels fill what its header tells, or jump about."""
    side, compression = _side(rng), rng.choice((1, 2))
    run = rng.choice((b"\xff\0", b"\0\x02\xff\xff", b"\0\0", b"\x01\x01", b"\0\x03abc\0"))
    pixels = run * rng.choice((100, 200_000)) + b"\0\x01"
    whole = bytearray(handmade.bmp((side, side), bytes(1024) + pixels, bits=8 // compression))
    struct.pack_into("<I", whole, 10, 54 + 1024)
    struct.pack_into("<I", whole, 30, compression)
    return bytes(whole)


BOMBS: dict[str, tuple[Make, ...]] = {
    "PNG": (_png_pixels, _png_texts, _png_chunks),
    "JPEG": (_jpeg_size, _jpeg_scans, _jpeg_segments, _jpeg_exif_loop),
    "WEBP": (_webp_pixels, _webp_size, lambda rng: _webp_many(rng.choice((2, 300)))),
    "TIFF": (_tiff_strips, _tiff_tiles, _tiff_pages, _tiff_counts),
    "BMP": (_bmp_size, _bmp_runs),
}


def bomb(image_format: str, rng: Random) -> bytes:
    """Return a file that asks for far more than it brings."""
    return rng.choice(BOMBS[image_format])(rng)
