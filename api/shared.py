"""Questions to what may hang: asked by one thread at a time, whoever else wants to know."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

T = TypeVar("T")
PATIENCE_S = 1.0  # that others wait for the answer; where the last one was an error, not at all


class Shared(Generic[T]):
    """Asks ``ask`` anew each time, but who comes while it is asked has the answer to that.

    So what hangs holds one thread, and not all of them, however many requests want to know.
    """

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._answer: Future[T] | None = None
        self._wait_until_s = 0.0

    def __call__(self) -> T:
        """Return the answer.

        Raises:
            TimeoutError: somebody else asks, and has waited for an answer for a while.
            Exception: any that ``ask`` raises.
        """
        with self._lock:
            answer, asks = self._answer, False
            if answer is None or answer.done():
                failed = answer is not None and answer.exception() is not None
                self._wait_until_s = time.monotonic() + (0.0 if failed else PATIENCE_S)
                answer = self._answer = Future()
                asks = True
            wait_s = max(0.0, self._wait_until_s - time.monotonic())
        if asks:
            try:
                answer.set_result(self._ask())
            except BaseException as error:
                answer.set_exception(error)
                raise
        elif not wait([answer], wait_s).done:
            raise TimeoutError("somebody asks already, and has no answer yet")
        return answer.result()
