"""Where the images' bytes are: a folder, or a bucket of S3 or a compatible store."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from store.images.base import ImageStore
from store.images.files import FileImages
from store.images.s3 import DEFAULT_MAX_BYTES, Described, S3Images, version_of

__all__ = ["Described", "FileImages", "ImageStore", "S3Images", "open_images", "version_of"]


def open_images(url: str, endpoint_url: str = "", max_bytes: int = DEFAULT_MAX_BYTES) -> ImageStore:
    """Open the store at ``file:///folder`` or ``s3://bucket/prefix``.

    What is on S3 came there in many ways; more than ``max_bytes`` of it is not read.

    Raises:
        ValueError: the address is neither.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc:
        return FileImages(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        return S3Images(parts.netloc, parts.path.strip("/"), endpoint_url, max_bytes)
    raise ValueError(f"image store {url!r}: use file:///folder or s3://bucket/prefix")
