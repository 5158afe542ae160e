"""What files are made of: their chunks, segments and tags, damaged while the file stays whole.

A flipped bit in a PNG mostly fails its checksum, and tells nothing of what lies behind that. Here
lengths and checksums are made anew, so that the damage reaches the decoder.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from random import Random

from tests.corpus import handmade

ENDS = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1)
# What decoders act on: kind, size, depth, compression, colours, predictor, tiles, profile.
TIFF_TAGS = (254, 256, 258, 259, 262, 284, 317, 322, 338, 339, 700, 34675)
Part = tuple[bytes, bytes]  # what it is called, and what is in it


def damaged_bytes(data: bytes, rng: Random, most: int = 8) -> bytes:
    """Return the data with 1 to ``most`` of its bytes set anew; nothing stays nothing."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, most) if data else 0):
        value = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.getrandbits(8)))
        changed[rng.randrange(len(changed))] = value
    return bytes(changed)


def rearranged(parts: list[Part], rng: Random) -> list[Part]:
    """Return the parts with some of them damaged, emptied, left out, repeated or moved."""
    parts = list(parts)
    for _ in range(rng.randint(1, 3)):
        if not parts:
            break
        at = rng.randrange(len(parts))
        kind, data = parts[at]
        match rng.randrange(7):
            case 0:
                parts[at] = (kind, damaged_bytes(data, rng))
            case 1:
                parts[at] = (kind, data[: rng.randrange(len(data) + 1)])
            case 2:
                parts[at] = (kind, data + rng.randbytes(rng.randrange(1, 300)))
            case 3:
                del parts[at]
            case 4:
                parts[at:at] = [(kind, data)] * rng.choice((1, 2, 50))
            case 5:
                parts.insert(rng.randrange(len(parts)), parts.pop(at))
            case _:
                parts[at] = (rng.choice(parts)[0], data)
    return parts


def png_parts(data: bytes) -> Iterator[Part]:
    """Give the chunks of a sound PNG."""
    at = len(handmade.PNG_SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length


def png_of(parts: list[Part]) -> bytes:
    """Return a PNG of these chunks, with sound checksums."""
    return handmade.PNG_SIGNATURE + b"".join(handmade.png_chunk(*part) for part in parts)


def jpeg_parts(data: bytes) -> list[Part]:
    """Return the segments of a sound JPEG by marker; a scan's has its pixels behind it."""
    return [(bytes([marker]), segment[4:]) for marker, segment in handmade.jpeg_segments(data)]


def jpeg_of(parts: list[Part]) -> bytes:
    """Return a JPEG of these segments, with lengths that fit where they can."""
    segments = []
    for marker, data in parts:
        # A scan's header tells its own length: 6 bytes and two more for each component.
        inside = 4 + 2 * data[0] if marker[0] == handmade.SOS and data else len(data)
        segments.append(b"\xff" + marker + struct.pack(">H", min(inside + 2, 0xFFFF)) + data)
    return handmade.jpeg(segments)


def webp_parts(data: bytes) -> Iterator[Part]:
    """Give the chunks of a sound WebP."""
    at = 12
    while at + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 4)
        yield data[at : at + 4], data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def webp_of(parts: list[Part]) -> bytes:
    """Return a WebP of these chunks."""
    body = b"".join(
        kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for kind, data in parts
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _tiff_directory(data: bytes) -> tuple[str, int, range]:
    """Return the byte order of a sound TIFF, where its directory is and where its entries are."""
    order = "<" if data.startswith(b"II") else ">"
    (at,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, at)
    end = min(at + 2 + 12 * count, len(data) - 12)  # one of the corpus tells of too many
    return order, at, range(at + 2, end, 12)


def tiff_retagged(data: bytes, rng: Random) -> bytes:
    """Return a TIFF with fields of its first directory set to what they should not be."""
    changed = bytearray(data)
    order, at, entries = _tiff_directory(data)
    for _ in range(rng.randint(1, 3)):
        entry = rng.choice(entries)
        place, kind, values = rng.choice(
            (
                (0, "H", TIFF_TAGS),
                (2, "H", range(20)),  # the type of its values
                (4, "I", ENDS),  # their number
                (8, "I", (*ENDS, len(data), at)),  # where they are, or the only one
                (8, "H", range(40)),
            )
        )
        struct.pack_into(order + kind, changed, entry + place, rng.choice(values))
    after = entries[-1] + 12
    if rng.random() < 0.1 and after + 4 <= len(data):  # the next directory is this one
        struct.pack_into(order + "I", changed, after, rng.choice((at, 8, len(data) - 1)))
    return bytes(changed)


def bmp_reheaded(data: bytes, rng: Random) -> bytes:
    """Return a BMP with fields of its header set to what they should not be."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        place, kind, values = rng.choice(
            (
                (10, "<I", (*ENDS, len(data))),  # where the pixels are
                (14, "<I", (12, 16, 40, 52, 56, 64, 108, 124, 2**31)),  # the header's length
                (26, "<H", (0, 1, 2, 65535)),  # planes
                (28, "<H", (0, 1, 2, 4, 8, 16, 24, 32, 64)),  # bits of a pixel
                (30, "<I", (0, 1, 2, 3, 4, 5, 6, 2**32 - 1)),  # compression
                (46, "<I", ENDS),  # colours
            )
        )
        struct.pack_into(kind, changed, place, rng.choice(values))
    return bytes(changed)


def restructured(image_format: str, data: bytes, rng: Random) -> bytes:
    """Return a sound file of the format with its parts damaged, and the whole kept readable."""
    match image_format:
        case "PNG":
            return png_of(rearranged(list(png_parts(data)), rng))
        case "JPEG":
            return jpeg_of(rearranged(jpeg_parts(data), rng))
        case "WEBP":
            return webp_of(rearranged(list(webp_parts(data)), rng))
        case "TIFF":
            return tiff_retagged(data, rng)
        case _:
            return bmp_reheaded(data, rng)


def resized(image_format: str, data: bytes, size: tuple[int, int]) -> bytes:
    """Return a sound file that tells another size, in pixels, than it has."""
    width, height = size
    changed = bytearray(data)
    match image_format:
        case "PNG":
            (_, header), *rest = png_parts(data)
            return png_of([(b"IHDR", struct.pack(">II", width, height) + header[8:]), *rest])
        case "JPEG":
            frames = range(0xC0, 0xD0)
            fields = struct.pack(">HH", height & 0xFFFF, width & 0xFFFF)
            return jpeg_of(
                [
                    (marker, part[:1] + fields + part[5:])
                    if marker[0] in frames and marker[0] not in (0xC4, 0xC8, 0xCC)
                    else (marker, part)
                    for marker, part in jpeg_parts(data)
                ]
            )
        case "WEBP":
            kind, at = data[12:16], 20
            if kind == b"VP8X":
                changed[at + 4 : at + 7] = struct.pack("<I", (width - 1) & 0xFFFFFF)[:3]
                changed[at + 7 : at + 10] = struct.pack("<I", (height - 1) & 0xFFFFFF)[:3]
            elif kind == b"VP8 ":
                struct.pack_into("<HH", changed, at + 6, width & 0x3FFF, height & 0x3FFF)
            else:
                (flags,) = struct.unpack_from("<I", data, at + 1)
                told = (width - 1) & 0x3FFF | ((height - 1) & 0x3FFF) << 14
                struct.pack_into("<I", changed, at + 1, told | flags & 0xF0000000)
        case "TIFF":
            order, _, entries = _tiff_directory(data)
            for entry in entries:
                (tag,) = struct.unpack_from(order + "H", data, entry)
                if tag in (handmade.WIDTH, handmade.HEIGHT):
                    told = (width if tag == handmade.WIDTH else height) & 0xFFFFFFFF
                    struct.pack_into(order + "HII", changed, entry + 2, handmade.LONG, 1, told)
        case _:
            struct.pack_into("<II", changed, 18, width & 0xFFFFFFFF, height & 0xFFFFFFFF)
    return bytes(changed)
