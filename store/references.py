"""The key of a piece of work: one stored object, in one version."""

from __future__ import annotations

from typing import NamedTuple


class Reference(NamedTuple):
    """A stored image: its ``key`` in the store and the ``version`` that was written.

    On S3 the version is the object's version id, or its ETag in an unversioned bucket. A
    file store writes each key once; there the version is empty.
    """

    key: str
    version: str = ""
