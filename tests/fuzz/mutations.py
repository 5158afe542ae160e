"""What is done to sound files, each as a function of format, file and random numbers."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random

from PIL import Image

from tests.corpus import handmade
from tests.corpus.case import encode, picture
from tests.fuzz import seeds
from tests.fuzz.bombs import bomb
from tests.fuzz.parts import ENDS, damaged_bytes, resized, restructured

Mutation = Callable[[str, bytes, Random], bytes]

HEADER_BYTES = 64
JUNK = (
    b"\0" * 64,
    b"\xff" * 64,
    b"%PDF-1.7\n%%EOF\n",
    b"<html><script>alert(1)</script></html>",
    b"PK\x05\x06" + bytes(18),
    b"GIF89a\x01\0\x01\0\0\0\0;",
    b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff",
    b"#!/bin/sh\nexit 1\n",
    b"\x7fELF\x02\x01\x01",
    b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><svg>&b;</svg>",
)
SIDES = (0, 1, 7, 8, 63, 65, 255, 4999, 5000, 5001, 16383, 32768, 65535, 2**31 - 1, 2**32 - 1)


def _flipped(data: bytes, rng: Random, among: int) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16, 64))):
        at = rng.randrange(min(len(changed), among))
        changed[at] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _spliced(image_format: str, data: bytes, rng: Random) -> bytes:
    other = rng.choice(seeds.sound(image_format))
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


def _moved(_: str, data: bytes, rng: Random) -> bytes:
    start, end = sorted((rng.randrange(len(data)), rng.randrange(len(data) + 1)))
    block, rest = data[start:end], data[:start] + data[end:]
    times = rng.choice((0, 1, 2, 9))  # left out, moved, repeated
    at = rng.randrange(len(rest) + 1)
    return rest[:at] + block * times + rest[at:]


def _length_edited(_: str, data: bytes, rng: Random) -> bytes:
    changed = bytearray(data)
    for _number in range(rng.randint(1, 3)):
        kind, size = rng.choice(((">I", 4), ("<I", 4), (">H", 2), ("<H", 2)))
        among = HEADER_BYTES * 4 if rng.random() < 0.7 else len(data)
        at = rng.randrange(max(1, min(len(data), among) - size))
        value = rng.choice((*ENDS, len(data), len(data) - at, rng.getrandbits(32)))
        struct.pack_into(kind, changed, at, value & (256**size - 1))
    return bytes(changed)


def _reheaded(image_format: str, data: bytes, rng: Random) -> bytes:
    other = rng.choice(
        seeds.sound(rng.choice([one for one in seeds.FORMATS if one != image_format]))
    )
    take = rng.choice((4, 8, 12, 16, 26, 33, 54, 100))
    # The format is still this one, with another's inside, or the other way round.
    return rng.choice((data[:take] + other[take:], data[:take] + other, other[:take] + data))


def _polyglot(_: str, data: bytes, rng: Random) -> bytes:
    junk = rng.choice(JUNK) * rng.choice((1, 1, 20, 5000))
    if rng.random() < 0.3:
        return junk + data
    at = rng.choice((len(data), len(data), rng.randrange(len(data))))
    return data[:at] + junk + data[at:]


def _mismeasured(image_format: str, data: bytes, rng: Random) -> bytes:
    return resized(image_format, data, (rng.choice(SIDES), rng.choice(SIDES)))


def _metadata(image_format: str, _: bytes, rng: Random) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = rng.randrange(10)
    exif[0x010E] = "x" * rng.choice((1, 100, 20_000))
    sound = exif.tobytes()
    noise = rng.choice((damaged_bytes(sound, rng, 30), sound[: rng.randrange(len(sound))], b""))
    profile = damaged_bytes(seeds.profile(), rng, 30)[: rng.choice((10, 128, 10**6))]
    image = picture(rng.choice((8, 64)))
    if image_format == "TIFF":
        return encode(image, "TIFF", exif=exif, icc_profile=profile)
    if image_format == "BMP":  # it has a profile at most, in its fifth header
        header = encode(image, "BMP")
        return header[:14] + struct.pack("<I", 124) + header[18:54] + profile + header[54:]
    if image_format == "JPEG":
        whole = encode(image, "JPEG", icc_profile=profile, dpi=(72, 72))
        segment = handmade.jpeg_segment(handmade.APP1, (b"Exif\0\0" + noise)[:65_000])
        return handmade.SOI + segment * rng.choice((1, 2, 40)) + whole.removeprefix(handmade.SOI)
    return encode(image, image_format, exif=noise or b"x", icc_profile=profile)


MUTATIONS: dict[str, Mutation] = {
    "none": lambda image_format, _, rng: seeds.drawn(image_format, rng),
    "bits flipped": lambda _, data, rng: _flipped(data, rng, len(data)),
    "header bits flipped": lambda _, data, rng: _flipped(data, rng, HEADER_BYTES),
    "cut": lambda _, data, rng: data[: int(len(data) * rng.random() ** rng.choice((1, 4)))],
    "spliced": _spliced,
    "blocks moved": _moved,
    "lengths edited": _length_edited,
    "other header": _reheaded,
    "junk around": _polyglot,
    "parts": restructured,
    "parts and bits": lambda image_format, data, rng: _flipped(
        restructured(image_format, data, rng), rng, 4096
    ),
    "size lies": _mismeasured,
    "metadata": _metadata,
    "frames": lambda image_format, _, rng: rng.choice((lambda data, _rng: data, damaged_bytes))(
        seeds.frames(image_format, rng), rng
    ),
    "bomb": lambda image_format, _, rng: bomb(image_format, rng),
}
