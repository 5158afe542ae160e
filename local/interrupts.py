"""To be asked to end: whoever asks, what was started is ended on the way out."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruptible() -> Iterator[None]:
    """Have SIGTERM, SIGHUP and SIGINT raise ``KeyboardInterrupt``; also a decorator.

    Python's default for the first two ends it without a ``finally``, and what it started stays.
    SIGINT is ignored by what a shell starts in the background, and SIGHUP under `nohup`: that one
    stays ignored. Who has asked once by SIGTERM or SIGHUP need not again: the end is on its way,
    and is not cut off by it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only that one may say what signals do, and they interrupt no other
        return
    before = {signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler)}
    for number in (signal.SIGTERM, signal.SIGHUP):
        if number == signal.SIGTERM or signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, _: object) -> None:
    signal.signal(number, lambda *_: None)
    raise KeyboardInterrupt
