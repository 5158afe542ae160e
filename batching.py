"""Do together what arrives together: one call for many callers.

While one batch is in work the next one gathers, so batches grow with the load and an
idle service answers at once. The worker predicts this way, and the API commits this way.
"""

from __future__ import annotations

import os
import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

ENDED_EXIT_STATUS = 70  # EX_SOFTWARE


class MicroBatcher(Generic[Item, Result]):
    """Runs ``function`` over the items of several callers at once, on threads of its own.

    ``size``: items that start a batch without further waiting; a single caller's items
    stay together, so a batch may be larger. ``wait_ms``: how long the first caller of a
    batch waits for others. ``runners``: batches in work side by side. ``time_limit_s``:
    a batch that takes longer ends the process, because a thread cannot be ended: what it
    had in hand is found again by whoever supervises the work. With a limit, a batch that finds
    no memory ends the process as well: it would live on, take work, and do none.
    """

    def __init__(
        self,
        function: Callable[[list[Item]], Sequence[Result]],
        *,
        size: int,
        wait_ms: float = 0.0,
        runners: int = 1,
        time_limit_s: float | None = None,
        name: str = "batch",
    ) -> None:
        self._function = function
        self._size = size
        self._wait_s = wait_ms / 1000
        self._time_limit_s = time_limit_s
        self._calls: queue.SimpleQueue[tuple[list[Item], Future[list[Result]]]]
        self._calls = queue.SimpleQueue()
        # Only one runner gathers at a time; else two idle ones would split what came together.
        self._gathering = threading.Lock()
        for number in range(runners):
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True).start()

    def __call__(self, items: Sequence[Item]) -> list[Result]:
        """Return the results of ``items``, in their order; raises what their batch raised."""
        return self.submit(items).result()

    def submit(self, items: Sequence[Item]) -> Future[list[Result]]:
        """Hand in ``items`` and do not wait for their results."""
        future: Future[list[Result]] = Future()
        self._calls.put((list(items), future))
        return future

    def _gather(self) -> list[tuple[list[Item], Future[list[Result]]]]:
        with self._gathering:
            calls = [self._calls.get()]
            deadline = time.monotonic() + self._wait_s
            while sum(len(items) for items, _ in calls) < self._size:
                try:
                    calls.append(self._calls.get_nowait())
                except queue.Empty:
                    remaining_s = deadline - time.monotonic()
                    if remaining_s <= 0:
                        break
                    try:
                        calls.append(self._calls.get(timeout=remaining_s))
                    except queue.Empty:
                        break
            return calls

    def _run(self) -> None:
        while True:
            # In a frame of its own: what it names would stay until the next batch comes, tens of
            # megabytes of images at times.
            self._work_on(self._gather())

    def _work_on(self, calls: list[tuple[list[Item], Future[list[Result]]]]) -> None:
        together = [item for items, _ in calls for item in items]
        n = len(together)
        try:
            with self._time_limit():
                results = list(self._function(together))
            if len(results) != n:
                raise ValueError(f"{len(results)} results for a batch of {n} items")
            for items, future in calls:
                mine, results = results[: len(items)], results[len(items) :]
                future.set_result(mine)
        except BaseException as error:  # it belongs to the callers, whatever it is
            if self._time_limit_s is not None and _no_memory(error):
                _end_process(b"there is no memory for a batch")
            futures = [future for _, future in calls if not future.done()]
            # An error keeps the frames that it went through, and the futures in this one keep it:
            # all of that stays until cycles are looked for, and no items may be in it.
            _clear_frames(error)
            calls.clear()
            together.clear()
            for future in futures:
                future.set_exception(error)

    @contextmanager
    def _time_limit(self) -> Iterator[None]:
        if self._time_limit_s is None:
            yield
            return
        stuck = b"a batch is stuck past its time limit"
        timer = threading.Timer(self._time_limit_s, _end_process, [stuck])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _no_memory(error: BaseException) -> bool:
    # Threads have stacks, and Python has no exception of its own for one that cannot be had.
    return isinstance(error, MemoryError) or "can't start new thread" in str(error)


def _clear_frames(error: BaseException | None) -> None:
    while error:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _end_process(why: bytes) -> None:
    os.write(2, why + b": ending this process\n")
    os._exit(ENDED_EXIT_STATUS)
