"""Files put together byte by byte, for what no honest encoder writes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_GREY, PNG_RGB = 0, 2  # colour types

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
SOF0, SOF2, SOF10, DHT = 0xC0, 0xC2, 0xCA, 0xC4
SOS, APP1, ADOBE, COMMENT = 0xDA, 0xE1, 0xEE, 0xFE

SHORT, LONG, FLOAT = 3, 4, 11  # TIFF's types
_TIFF_LETTERS = {SHORT: "H", LONG: "I", FLOAT: "f"}
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, STRIP_OFFSETS = 256, 257, 258, 259, 262, 273
SAMPLES, ROWS_PER_STRIP, STRIP_BYTES = 277, 278, 279
TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_BYTES = 322, 323, 324, 325
DEFLATE = 8
Tags = Mapping[int, tuple[int, Sequence[int]]]


def deflated_zeros(size: int) -> bytes:
    """Return a zlib stream of about ``size`` zeros, in no more memory than one block."""
    block_size = 1 << 20
    compressor = zlib.compressobj(9, wbits=-15)
    block = compressor.compress(bytes(block_size)) + compressor.flush(zlib.Z_FULL_FLUSH)
    blocks = -(-size // block_size)
    adler = (blocks * block_size % 65521) << 16 | 1  # of zeros only
    last = zlib.compressobj(9, wbits=-15).flush()
    return b"\x78\xda" + block * blocks + last + struct.pack(">I", adler)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk with its length and checksum."""
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def png(
    size: tuple[int, int], bits: int, colour_type: int, stream: bytes, extra: bytes = b""
) -> bytes:
    """Return a PNG of a compressed ``stream``, with ``extra`` chunks before it."""
    header = struct.pack(">IIBBBBB", *size, bits, colour_type, 0, 0, 0)
    return b"".join(
        (
            PNG_SIGNATURE,
            png_chunk(b"IHDR", header),
            extra,
            png_chunk(b"IDAT", stream),
            png_chunk(b"IEND", b""),
        )
    )


def png_rows(rows: Sequence[bytes]) -> bytes:
    """Compress rows of pixels, unfiltered, to a PNG's stream."""
    return zlib.compress(b"".join(b"\0" + row for row in rows))


def jpeg_segment(marker: int, data: bytes) -> bytes:
    """Return a marker segment with its length."""
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Give the segments of a JPEG between its SOI and EOI, scans with their data."""
    start = len(SOI)
    while data[start : start + 2] != EOI:
        marker = data[start + 1]
        end = start + 2 + struct.unpack_from(">H", data, start + 2)[0]
        if marker == SOS:
            while data[end] != 0xFF or data[end + 1] in (0, *range(0xD0, 0xD8)):
                end += 1
        yield marker, data[start:end]
        start = end


def jpeg(segments: Sequence[bytes]) -> bytes:
    """Return a JPEG of these segments."""
    return SOI + b"".join(segments) + EOI


def with_jpeg_size(frame: bytes, size: tuple[int, int]) -> bytes:
    """Return a frame header (SOF) that tells another size."""
    width, height = size
    return frame[:5] + struct.pack(">HH", height, width) + frame[9:]


def tiff(tags: Tags, pixels: bytes) -> bytes:
    """Return a little-endian TIFF: ``pixels`` at byte 8, then one directory of ``tags``."""
    directory_at = 8 + len(pixels)
    values_at = directory_at + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for tag, (kind, numbers) in sorted(tags.items()):
        packed = struct.pack(f"<{len(numbers)}{_TIFF_LETTERS[kind]}", *numbers)
        entries += struct.pack("<HHI", tag, kind, len(numbers))
        if len(packed) <= 4:
            entries += packed.ljust(4, b"\0")
        else:
            entries += struct.pack("<I", values_at + len(values))
            values += packed
    header = b"II*\0" + struct.pack("<I", directory_at)
    return header + pixels + struct.pack("<H", len(tags)) + entries + bytes(4) + values


def grey_tiff(
    size: tuple[int, int],
    pixels: bytes,
    bits: int = 8,
    others: Mapping[int, int] | None = None,
) -> bytes:
    """Return a TIFF of one uncompressed grey strip; ``others`` are other tags, or replace these."""
    numbers = {
        WIDTH: size[0],
        HEIGHT: size[1],
        BITS: bits,
        COMPRESSION: 1,
        PHOTOMETRIC: 1,
        STRIP_OFFSETS: 8,
        SAMPLES: 1,
        ROWS_PER_STRIP: size[1],
        STRIP_BYTES: len(pixels),
    }
    numbers |= others or {}
    return tiff({tag: (LONG, [number]) for tag, number in numbers.items()}, pixels)


def tiled_tiff(size: tuple[int, int], tile: tuple[int, int]) -> bytes:
    """Return a black TIFF whose tiles all are the same bytes."""
    stream = deflated_zeros(tile[0] * tile[1])
    tiles = -(-size[0] // tile[0]) * -(-size[1] // tile[1])
    tags = {
        WIDTH: (LONG, [size[0]]),
        HEIGHT: (LONG, [size[1]]),
        BITS: (SHORT, [8]),
        COMPRESSION: (SHORT, [DEFLATE]),
        PHOTOMETRIC: (SHORT, [1]),
        SAMPLES: (SHORT, [1]),
        TILE_WIDTH: (LONG, [tile[0]]),
        TILE_LENGTH: (LONG, [tile[1]]),
        TILE_OFFSETS: (LONG, [8] * tiles),
        TILE_BYTES: (LONG, [len(stream)] * tiles),
    }
    return tiff(tags, stream)


def empty_zip() -> bytes:
    """Return a ZIP archive of nothing."""
    return b"PK\x05\x06" + bytes(18)


def bmp(
    size: tuple[int, int],
    pixels: bytes,
    *,
    bits: int = 24,
    reserved: int = 0,
    offset: int | None = None,
    core: bool = False,
) -> bytes:
    """Return an uncompressed BMP; ``core`` is OS/2's header, a negative height top-down."""
    width, height = size
    if core:
        header = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 0, 0, 0, 0, 0, 0)
    at = 14 + len(header) if offset is None else offset
    length = 14 + len(header) + len(pixels)
    return b"BM" + struct.pack("<III", length, reserved, at) + header + pixels
