"""What can go wrong in the stores."""

from __future__ import annotations


class StoreError(Exception):
    """A store could not be reached or did not answer. Trying again may help."""


class ImageStoreError(StoreError):
    """The image store, and not the database."""


class ImageRefused(ImageStoreError):
    """The image store answers, and will not give this image. Others it may."""


class Conflict(StoreError):
    """Another transaction was in the way of this one, which can be tried again at once."""


class Unreadable(LookupError):
    """There are no bytes to be had under this reference. Trying again does not help."""


class ImageNotFound(Unreadable):
    """No image is stored there, or by now another version of it."""


class ImageTooLarge(Unreadable):
    """What is stored there is larger than any image may be."""
