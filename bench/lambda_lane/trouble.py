"""What goes wrong on the lane's own threads, kept for who runs it."""

from __future__ import annotations

import logging
import threading

log = logging.getLogger(__name__)


class LaneError(Exception):
    """Something of the lane's own failed while it ran. What was measured is not to be trusted."""


class Trouble:
    """The first failure, which is raised at the end; all are logged. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._first: tuple[str, Exception] | None = None

    def take(self, what: str, error: Exception) -> None:
        """Log a failure with its traceback, and keep it if it is the first."""
        log.error("the lane's %s failed", what, exc_info=error)
        with self._lock:
            self._first = self._first or (what, error)

    def tell(self) -> None:
        """Say whether there was one.

        Raises:
            LaneError: there was; its cause is the first.
        """
        with self._lock:
            first = self._first
        if first:
            what, error = first
            raise LaneError(f"the lane's {what} failed: {error!r}") from error
