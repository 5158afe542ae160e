"""Sound images, in every mode, depth and format: each must come out as its picture."""

from __future__ import annotations

import struct
import zlib
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from tests.corpus import handmade
from tests.corpus.case import SIDE, Case, encode, grey_picture, picture

LOSSY = 4.0  # mean difference that JPEG and WebP may leave
JPEG_OPTIONS: dict[str, Any] = {"quality": 95, "subsampling": 0}
ORIENTATION, SOFTWARE = 0x0112, 0x0131
# What was done to the upright picture for the tag to undo it (Exif 2.32, 4.6.4 A).
TURNED: dict[int, Image.Transpose | None] = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
BAD_EXIF = {
    "nothing": b"",
    "noise": b"noise" * 9,
    "half a header": b"II*\0",
    "half a directory": b"II*\0\x08\0\0\0\xff\xff\x12\x01",
    "orientation 9": handmade.tiff({ORIENTATION: (handmade.SHORT, [9])}, b""),
}
# A text must not be a number: Pillow reads this, but cannot write it again.
MISTYPED_EXIF = handmade.tiff(
    {ORIENTATION: (handmade.SHORT, [6]), SOFTWARE: (handmade.FLOAT, [6])}, b""
)


def jpeg(image: Image.Image | None = None, **options: Any) -> bytes:
    """Return an image, the picture by default, as a JPEG of high quality."""
    return encode(image or picture(), "JPEG", **JPEG_OPTIONS, **options)


def stored_turned(orientation: int) -> Image.Image:
    """Return the picture as a camera held in that orientation stores it."""
    method = TURNED[orientation]
    return picture() if method is None else picture().transpose(method)


def turned(orientation: int, image_format: str = "JPEG") -> bytes:
    """Return the picture stored turned, with the tag that turns it upright again."""
    stored = stored_turned(orientation)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = JPEG_OPTIONS if image_format == "JPEG" else {}
    return encode(stored, image_format, exif=exif, **options)


def jpeg_with_exif(exif: bytes, orientation: int = 1) -> bytes:
    """Return the picture, stored turned, with ``exif`` for its EXIF, whatever that is."""
    segment = handmade.jpeg_segment(handmade.APP1, b"Exif\0\0" + exif)
    # With a resolution in its header, Pillow first looks at the EXIF when asked to turn it.
    whole = jpeg(stored_turned(orientation), dpi=(72, 72))
    return handmade.SOI + segment + whole.removeprefix(handmade.SOI)


def high_bytes() -> np.ndarray:
    """Return the 8-bit grey that the 16-bit cases have in their high bytes."""
    return np.asarray(picture().convert("L"))


def _sixteen_bit_grey(byte_order: str = "<") -> Image.Image:
    low = np.arange(SIDE, dtype=np.uint16)  # must not matter
    pixels = (high_bytes().astype(np.uint16) << 8 | low).astype(f"{byte_order}u2")
    return Image.frombytes("I;16B" if byte_order == ">" else "I;16", (SIDE, SIDE), pixels.tobytes())


def _sixteen_bit_rgb() -> bytes:
    pixels = np.asarray(picture()).astype(">u2") << 8 | 77
    rows = [row.astype(">u2").tobytes() for row in pixels]
    return handmade.png((SIDE, SIDE), 16, handmade.PNG_RGB, handmade.png_rows(rows))


def _with_alpha(mode: str) -> Image.Image:
    image = picture().convert(mode)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


def _of_mode(mode: str, image_format: str) -> bytes:
    return encode(picture().convert(mode), image_format)


def _jpeg_without_adobe_marker() -> bytes:
    whole = encode(picture().convert("CMYK"), "JPEG", **JPEG_OPTIONS)
    segments = handmade.jpeg_segments(whole)
    return handmade.jpeg([one for marker, one in segments if marker != handmade.ADOBE])


def _html_in_a_comment() -> bytes:
    comment = b"<html><script>alert(1)</script></html>"
    segment = handmade.jpeg_segment(handmade.COMMENT, comment)
    return handmade.SOI + segment + jpeg().removeprefix(handmade.SOI)


def _mpo() -> bytes:
    second = picture().transpose(Image.Transpose.ROTATE_180)
    return encode(picture(), "MPO", save_all=True, append_images=[second], **JPEG_OPTIONS)


def _tiff_of_many_tags() -> bytes:
    whole = encode(picture(), "TIFF")
    directory_at = struct.unpack_from("<I", whole, 4)[0]
    return whole[:directory_at] + b"\xff\xff" + whole[directory_at + 2 :]


def _bmp_pixels(*, top_down: bool) -> bytes:
    pixels = np.asarray(picture())[:, :, ::-1]  # BGR; rows of 64 pixels need no padding
    return (pixels if top_down else pixels[::-1]).tobytes()


def _more_data_than_its_header_tells() -> bytes:
    rows = b"".join(b"\0" + row.tobytes() for row in np.asarray(picture()))
    compressor = zlib.compressobj(9)
    parts = [compressor.compress(rows), *(compressor.compress(bytes(1 << 20)) for _ in range(32))]
    stream = b"".join([*parts, compressor.flush()])
    return handmade.png((SIDE, SIDE), 8, handmade.PNG_RGB, stream)


def _black() -> Image.Image:
    return Image.new("RGB", (SIDE, SIDE))


def _one_bit() -> Image.Image:
    return picture().convert("1", dither=Image.Dither.NONE)


SOUND = (
    Case("JPEG", jpeg, shows=picture, within=LOSSY),
    Case("progressive JPEG", partial(jpeg, progressive=True), shows=picture, within=LOSSY),
    Case("PNG", lambda: encode(picture(), "PNG"), shows=picture),
    Case("WebP", lambda: encode(picture(), "WEBP", quality=95), shows=picture, within=LOSSY),
    Case("lossless WebP", lambda: encode(picture(), "WEBP", lossless=True), shows=picture),
    Case("TIFF", lambda: encode(picture(), "TIFF"), shows=picture),
    Case(
        "deflated TIFF",
        lambda: encode(picture(), "TIFF", compression="tiff_deflate"),
        None,
        picture,
    ),
    Case("tiled TIFF", lambda: handmade.tiled_tiff((100, 100), (64, 64)), shows=_black),
    Case("BMP", lambda: encode(picture(), "BMP"), shows=picture),
    Case("1-bit PNG", lambda: encode(_one_bit(), "PNG"), shows=lambda: _one_bit().convert("RGB")),
    Case("grey PNG", lambda: _of_mode("L", "PNG"), shows=grey_picture),
    Case("grey JPEG", lambda: _of_mode("L", "JPEG"), shows=grey_picture, within=LOSSY),
    Case("grey and alpha PNG", lambda: encode(_with_alpha("L"), "PNG"), shows=grey_picture),
    Case("RGBA PNG", lambda: encode(_with_alpha("RGB"), "PNG"), shows=picture),
    Case("RGBA TIFF", lambda: encode(_with_alpha("RGB"), "TIFF"), shows=picture),
    Case("palette PNG", lambda: encode(picture().quantize(4), "PNG"), shows=picture),
    Case("palette BMP", lambda: encode(picture().quantize(4), "BMP"), shows=picture),
    Case(
        "palette PNG with transparency",
        lambda: encode(picture().quantize(4), "PNG", transparency=0),
        shows=picture,
    ),
    Case("16-bit grey PNG", lambda: encode(_sixteen_bit_grey(), "PNG"), shows=grey_picture),
    Case("16-bit grey TIFF", lambda: encode(_sixteen_bit_grey(), "TIFF"), shows=grey_picture),
    Case(
        "16-bit big-endian TIFF", lambda: encode(_sixteen_bit_grey(">"), "TIFF"), None, grey_picture
    ),
    Case("16-bit RGB PNG", _sixteen_bit_rgb, shows=picture),
    Case("CMYK JPEG", _jpeg_without_adobe_marker, shows=picture, within=LOSSY),
    Case(
        "Adobe CMYK JPEG, inverted",
        lambda: encode(picture().convert("CMYK"), "JPEG", **JPEG_OPTIONS),
        shows=picture,
        within=LOSSY,
    ),
    Case("CMYK TIFF", lambda: _of_mode("CMYK", "TIFF"), shows=picture, within=1),
    Case("YCbCr TIFF", lambda: _of_mode("YCbCr", "TIFF"), shows=picture, within=2),
    Case("LAB TIFF", lambda: _of_mode("LAB", "TIFF"), shows=picture, within=3),
    *(
        Case(f"JPEG of orientation {number}", partial(turned, number), None, picture, LOSSY)
        for number in TURNED
    ),
    Case("PNG of orientation 6", lambda: turned(6, "PNG"), shows=picture),
    Case("WebP of orientation 8", lambda: turned(8, "WEBP"), shows=picture, within=2 * LOSSY),
    Case("MPO of two views", _mpo, shows=picture, within=LOSSY),
    Case(
        "top-down BMP",
        lambda: handmade.bmp((SIDE, -SIDE), _bmp_pixels(top_down=True)),
        None,
        picture,
    ),
    Case(
        "OS/2 BMP",
        lambda: handmade.bmp((SIDE, SIDE), _bmp_pixels(top_down=False), core=True),
        shows=picture,
    ),
    Case("very wide JPEG", lambda: encode(_black().resize((10_000, 8)), "JPEG"), shows=_black),
    Case("very tall PNG", lambda: encode(_black().resize((8, 10_000)), "PNG"), shows=_black),
    Case("JPEG with a ZIP behind it", lambda: jpeg() + handmade.empty_zip(), None, picture, LOSSY),
    Case("JPEG with HTML in a comment", _html_in_a_comment, shows=picture, within=LOSSY),
    Case("PNG with 32 MB behind its pixels", _more_data_than_its_header_tells, shows=picture),
    Case("TIFF that tells of 65,535 tags", _tiff_of_many_tags, shows=picture),
    *(
        Case(f"JPEG with {name} for EXIF", partial(jpeg_with_exif, exif), None, picture, LOSSY)
        for name, exif in BAD_EXIF.items()
    ),
    Case(
        "JPEG with mistyped EXIF", partial(jpeg_with_exif, MISTYPED_EXIF, 6), None, picture, LOSSY
    ),
    Case(
        "PNG with noise for EXIF",
        lambda: encode(picture(), "PNG", exif=b"noise" * 9),
        None,
        picture,
    ),
)
