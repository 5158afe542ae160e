"""Which image formats are accepted, told from their first bytes.

Kept free of imports, so that the API can refuse a wrong file without loading Pillow.
"""

from __future__ import annotations

# Pillow's name of each accepted format and the media type it is served back under.
MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "TIFF": "image/tiff",
    "BMP": "image/bmp",
}
ACCEPTED = ", ".join(MEDIA_TYPES)

# Enough for every signature below.
SIGNATURE_BYTES = 16


def sniff(head: bytes) -> str | None:
    """Return the accepted format whose signature ``head`` starts with, or ``None``.

    A cheap first look, not a proof: only decoding tells whether the rest is sound.
    """
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith((b"II*\x00", b"MM\x00*")):
        return "TIFF"
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":
        return "BMP"
    return None
