"""What can go wrong on this machine."""

from __future__ import annotations


class LocalError(Exception):
    """The stack cannot start or go on. The message says why, and what to do about it."""
