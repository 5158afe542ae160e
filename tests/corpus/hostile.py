"""Small files that would cost much memory or time."""

from __future__ import annotations

from tests.corpus import handmade
from tests.corpus.case import SIDE, Case, encode, picture
from tests.corpus.handmade import SOF0, SOF2, SOF10, SOS
from tests.corpus.sound import jpeg

SHORT_S = 0.3  # a limit that keeps tests short
BIG = (2048, 2048)


def _png_bomb() -> bytes:
    side = 30_000
    stream = handmade.deflated_zeros((side // 8 + 1) * side)
    return handmade.png((side, side), 1, handmade.PNG_GREY, stream)


def _png_with(kind: bytes, before: bytes) -> bytes:
    chunk = handmade.png_chunk(kind, before + handmade.deflated_zeros(200_000_000))
    whole = encode(picture(), "PNG")
    after_header = len(handmade.PNG_SIGNATURE) + 25
    return whole[:after_header] + chunk + whole[after_header:]


def _jpeg_of_size(size: tuple[int, int]) -> bytes:
    return handmade.jpeg(
        [
            handmade.with_jpeg_size(segment, size) if marker == SOF0 else segment
            for marker, segment in handmade.jpeg_segments(jpeg())
        ]
    )


def scan_bomb(size: tuple[int, int], scans: int) -> bytes:
    """Return a progressive JPEG that repeats an empty scan over all of its pixels."""
    segments = list(handmade.jpeg_segments(jpeg(progressive=True)))
    head = [
        handmade.with_jpeg_size(segment, size) if marker == SOF2 else segment
        for marker, segment in segments
        if marker != SOS
    ]
    # The brightness's coefficients 1 to 63, to full precision.
    scan = handmade.jpeg_segment(SOS, bytes.fromhex("010100013f00"))
    return handmade.jpeg([*head, scan * scans])


def arithmetic_bomb(size: tuple[int, int], scans: int) -> bytes:
    """Return the same in arithmetic coding, where three bytes give work for every pixel."""
    head = [
        b"\xff" + bytes([SOF10]) + handmade.with_jpeg_size(segment, size)[2:]
        if marker == SOF2
        else segment
        for marker, segment in handmade.jpeg_segments(jpeg(progressive=True))
        if marker not in (SOS, handmade.DHT)
    ]
    scan = handmade.jpeg_segment(SOS, bytes.fromhex("010100063f02")) + b"\x55\xaa\x33"
    return handmade.jpeg([*head, scan * scans])


def _jpeg_in_tiff() -> bytes:
    # libtiff has libjpeg read all scans of a strip in one call, whatever the clock says.
    strip = arithmetic_bomb((4992, 4992), 90)
    numbers = {handmade.COMPRESSION: 7, handmade.PHOTOMETRIC: 6, handmade.SAMPLES: 3}
    return handmade.grey_tiff((4992, 4992), strip, others=numbers)


HOSTILE = (
    Case("PNG bomb of 30,000x30,000", _png_bomb, "image_too_large"),
    Case("JPEG of 20,000x20,000", lambda: _jpeg_of_size((20_000, 20_000)), "image_too_large"),
    Case("JPEG of 65,500x65,500", lambda: _jpeg_of_size((65_500, 65_500)), "image_too_large"),
    Case(
        "TIFF of 4 billion x 4 billion",
        lambda: handmade.grey_tiff((2**32 - 1, 2**32 - 1), bytes(99)),
        "image_too_large",
    ),
    Case(
        "BMP of 2 billion x 8", lambda: handmade.bmp((2**31 - 1, 8), bytes(99)), "image_too_large"
    ),
    Case("PNG with a huge text", lambda: _png_with(b"zTXt", b"Comment\0\0"), "truncated_image"),
    Case("PNG with a huge profile", lambda: _png_with(b"iCCP", b"icc\0\0"), "truncated_image"),
    Case("scan bomb", lambda: scan_bomb(BIG, 40_000), "decode_timeout", limit_s=SHORT_S),
    Case("arithmetic scan bomb", lambda: arithmetic_bomb(BIG, 60), "truncated_image"),
    Case(
        "TIFF with one huge tile",
        lambda: handmade.tiled_tiff((SIDE, SIDE), (12_000, 12_000)),
        "image_too_large",
    ),
    Case("scan bomb in a TIFF", _jpeg_in_tiff, "image_too_large"),
    Case(
        "TIFF of tall tiles",
        lambda: handmade.tiled_tiff((512, 8), (16, 1 << 20)),
        "image_too_large",
    ),
)
