"""What can go wrong in the stores."""

from __future__ import annotations


class StoreError(Exception):
    """A store could not be reached or did not answer. Trying again may help."""


class ImageNotFound(LookupError):
    """No image is stored under this reference. Trying again does not help."""
