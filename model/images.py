"""Bytes to pixels, once for training, evaluation and serving.

Uploads are hostile until shown otherwise, so decoding is bounded in formats, in
pixels (checked on the header, before any pixel is decoded) and in time.
"""

from __future__ import annotations

import io
import time

import numpy as np
import numpy.typing as npt

# The plugins of the accepted formats are loaded here and now. Pillow would load them with
# the first image, and that one would wait.
from PIL import (
    BmpImagePlugin,  # noqa: F401
    Image,
    ImageOps,
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401
)

from model.formats import ACCEPTED, SIGNATURE_BYTES, sniff

Pixels = npt.NDArray[np.uint8]

TILE_PX = 64  # side of the square that the reference model sees
MIN_SIDE_PX = 8  # below this there is nothing to classify
MAX_PIXELS = 25_000_000  # 5,000 x 5,000; 100 MB while it decodes, 400 MB as WebP
DECODE_LIMIT_S = 2.0  # of a processor; a 25-megapixel PNG needs about half of it
# Pillow decodes between two reads of these sizes, and only there can it be stopped. The
# worst 16 bytes of a JPEG go over all of its pixels once: 50 ms where they are 25 million.
READ_BYTES, READ_BYTES_IF_LARGE = 4096, 256
LARGE_PIXELS = 1_000_000

# Pillow's own bound only warns, and at 3.5 times ours; _check_header takes its place.
Image.MAX_IMAGE_PIXELS = None

EXIF_ORIENTATION = 0x0112
# What turns an image of each orientation upright (Exif 2.3, 4.6.4 A).
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageError(ValueError):
    """An image that cannot be classified, whoever tries and however often.

    ``code`` is stable and for programs, ``detail`` is for people.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class _ReadUntil(io.BytesIO):
    """A file that refuses to be read once its thread has worked on it for too long.

    A progressive JPEG may repeat thousands of scans over the same pixels, which the bound
    on pixels does not see; this one does. It counts the thread's own time: that others had
    the processor meanwhile is no fault of the image's.
    """

    def __init__(self, data: bytes, limit_s: float) -> None:
        super().__init__(data)
        self._deadline = time.thread_time() + limit_s

    def read(self, size: int | None = -1, /) -> bytes:
        if time.thread_time() > self._deadline:
            raise ImageError("decode_timeout", "The image takes too long to decode.")
        return super().read(size)


def decode(data: bytes, *, side_px: int = TILE_PX, limit_s: float = DECODE_LIMIT_S) -> Pixels:
    """Decode one image to what a model takes: uint8 RGB, shape (side_px, side_px, 3).

    Turns by the EXIF orientation, converts grey, palette, CMYK, alpha and 16-bit images
    to 8-bit RGB, and cuts the largest centred square, resized bilinearly. An RGB image of
    that size passes through unchanged.

    Raises:
        ImageError: ``empty_file``, ``not_an_image``, ``truncated_image``,
            ``image_too_small``, ``image_too_large``, ``animated_image``,
            ``unsupported_mode`` or ``decode_timeout``.
    """
    if not data:
        raise ImageError("empty_file", "The file has no bytes.")
    image_format = sniff(data[:SIGNATURE_BYTES])
    if image_format is None:
        raise ImageError(
            "not_an_image", f"The file is not an image of an accepted format ({ACCEPTED})."
        )
    try:
        with Image.open(_ReadUntil(data, limit_s), formats=[image_format]) as image:
            _check_header(image)
            return _to_tile(image, side_px)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        if image_format == "TIFF":  # whose header is sound as a rule: it has countless kinds
            raise ImageError(
                "unsupported_mode",
                "This kind of TIFF is not supported; send 8 or 16 bits a channel, grey or RGB.",
            ) from error
        raise _damaged(image_format) from error
    except MemoryError:
        raise  # the machine's trouble, not the image's: to be tried again
    except Exception as error:
        # Pillow's plugins raise OSError, SyntaxError, ValueError, struct.error and others
        # on damaged files; the bytes are all that this function depends on.
        raise _damaged(image_format) from error


def _damaged(image_format: str) -> ImageError:
    return ImageError("truncated_image", f"The {image_format} is damaged or incomplete.")


def _check_header(image: Image.Image) -> None:
    width, height = image.size
    pixels = width * height
    if image.format == "TIFF":
        # Tiles may reach far past the edges, and are decoded whole.
        tile_width, tile_height = (
            int(image.tag_v2.get(tag, 1))  # type: ignore[attr-defined]
            for tag in (TiffImagePlugin.TILEWIDTH, TiffImagePlugin.TILELENGTH)
        )
        across, down = -(-width // tile_width), -(-height // tile_height)
        pixels = across * tile_width * down * tile_height
    if pixels > MAX_PIXELS:
        raise ImageError(
            "image_too_large",
            f"The image has {width}x{height} pixels; at most {MAX_PIXELS:,} are accepted."
            if pixels == width * height
            else f"The image's tiles have {pixels:,} pixels; at most {MAX_PIXELS:,} are accepted.",
        )
    if image.info.get("compression") == "jpeg" and pixels > LARGE_PIXELS:
        # libtiff has libjpeg go over all scans in one call, out of the time limit's reach.
        raise ImageError(
            "image_too_large",
            f"A TIFF compressed as JPEG may have at most {LARGE_PIXELS:,} pixels.",
        )
    if min(width, height) < MIN_SIDE_PX:
        raise ImageError(
            "image_too_small",
            f"The image has {width}x{height} pixels; each side needs at least {MIN_SIDE_PX}.",
        )
    # An MPO is a JPEG with a second view of the same scene (most phones): not an animation.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise ImageError("animated_image", "The image has several frames; send one.")


def _to_tile(image: Image.Image, side_px: int) -> Pixels:
    turn = _turn(image)
    large = image.width * image.height > LARGE_PIXELS
    # libjpeg can decode at 1/2, 1/4 or 1/8; twice the tile keeps the resize honest.
    image.draft(None, (2 * side_px, 2 * side_px))
    block = READ_BYTES_IF_LARGE if large else READ_BYTES
    image.decodermaxblock = block  # type: ignore[attr-defined]
    image.load()
    if image.mode.startswith("I;16"):
        _check_high_bytes(image)
        # convert() would clip at 255; the high byte is the 8-bit value.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ImageError(
            "unsupported_mode",
            "32-bit pixels have no agreed range; send 8 or 16 bits a channel.",
        )
    if image.mode != "RGB":
        image = image.convert("RGB")
    if image.size != (side_px, side_px):
        image = ImageOps.fit(image, (side_px, side_px), Image.Resampling.BILINEAR)
    if turn is not None:  # last, when there is least to turn
        image = image.transpose(turn)
    return np.asarray(image)


def _check_high_bytes(image: Image.Image) -> None:
    # Pillow unpacks 12 bits to the low end of 16, and leaves white-is-zero as it is.
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(TiffImagePlugin.BITSPERSAMPLE, (16,))[0]
    white_is_zero = tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION, 1) == 0
    if bits != 16 or white_is_zero:
        raise ImageError(
            "unsupported_mode", "Of grey TIFFs, 8 and 16 bits with black as zero are supported."
        )


def _turn(image: Image.Image) -> Image.Transpose | None:
    try:
        return _UPRIGHT.get(image.getexif().get(EXIF_ORIENTATION, 1))
    except MemoryError:
        raise
    except Exception:  # as in decode(); but damaged EXIF is no reason to refuse the pixels
        return None


def stack(tiles: list[Pixels]) -> Pixels:
    """Stack decoded tiles to the model's input: uint8 NHWC, shape (n, side, side, 3)."""
    return np.stack(tiles)
