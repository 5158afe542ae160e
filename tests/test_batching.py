"""MicroBatcher: to each caller its own, together with whoever comes at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path

import pytest

from batching import ENDED_EXIT_STATUS, MicroBatcher

PATIENCE_S = 20.0  # for what must happen; a failure shows itself after so long
NEVER_MS = 1500 * PATIENCE_S


class Recorder:
    """Doubles numbers and remembers its batches; waits in each until ``go`` is set."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.began = threading.Semaphore(0)
        self.go = threading.Event()
        self.go.set()

    def __call__(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        self.began.release()
        assert self.go.wait(PATIENCE_S)
        if -1 in items:
            raise ArithmeticError("minus one")
        return [2 * item for item in items]


def begin(call: Callable[[], list[int]]) -> Future[list[int]]:
    """Call in a thread of its own, which ends with the tests if it hangs."""
    future: Future[list[int]] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def together(callers: int, call: Callable[[int], list[int]]) -> list[Future[list[int]]]:
    """Run ``call(0)``, ``call(1)``, … at once, a thread each; return their futures, finished."""
    start = threading.Barrier(callers)

    def run(number: int) -> list[int]:
        start.wait(PATIENCE_S)
        return call(number)

    futures = [begin(partial(run, number)) for number in range(callers)]
    assert not wait(futures, PATIENCE_S).not_done
    return futures


def asked(batcher: MicroBatcher[int, int], items: Sequence[int]) -> list[int]:
    """Return what the batcher answers, or fail where it does not."""
    return begin(lambda: batcher(items)).result(PATIENCE_S)


def test_each_caller_gets_the_results_of_its_own_items() -> None:
    batcher = MicroBatcher(Recorder(), size=7, wait_ms=1, runners=2)

    def call(number: int) -> list[int]:
        items = list(range(100 * number, 100 * number + number % 5))  # of many lengths
        assert all(batcher(items) == [2 * item for item in items] for _ in range(20))
        return items

    for future in together(24, call):
        future.result()


def test_concurrent_callers_share_a_batch() -> None:
    recorder = Recorder()
    batcher = MicroBatcher(recorder, size=8, wait_ms=NEVER_MS)

    futures = together(8, lambda number: batcher([number]))

    assert [future.result() for future in futures] == [[2 * number] for number in range(8)]
    assert [sorted(batch) for batch in recorder.batches] == [list(range(8))]


def test_idle_runners_do_not_split_what_comes_together() -> None:
    recorder = Recorder()
    batcher = MicroBatcher(recorder, size=2, wait_ms=NEVER_MS, runners=4)

    for _ in range(50):
        futures = together(2, lambda number: batcher([number]))
        assert [future.result() for future in futures] == [[0], [2]]

    assert {len(batch) for batch in recorder.batches} == {2}


def test_what_comes_while_a_batch_is_in_work_makes_the_next_one() -> None:
    recorder = Recorder()
    batcher = MicroBatcher(recorder, size=4, wait_ms=NEVER_MS)
    recorder.go.clear()
    first = begin(lambda: batcher([0, 1, 2, 3]))
    assert recorder.began.acquire(timeout=PATIENCE_S)
    others = [begin(partial(batcher, [number])) for number in range(4, 8)]
    recorder.go.set()

    assert first.result(PATIENCE_S) == [0, 2, 4, 6]
    assert [other.result(PATIENCE_S) for other in others] == [[8], [10], [12], [14]]
    assert [sorted(batch) for batch in recorder.batches] == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_the_items_of_one_caller_stay_together_and_in_order() -> None:
    recorder = Recorder()
    items = [5, 3, 9, 1, 7]

    assert asked(MicroBatcher(recorder, size=2), items) == [10, 6, 18, 2, 14]
    assert recorder.batches == [items]


def test_batches_are_done_in_the_order_of_their_callers() -> None:
    recorder = Recorder()
    batcher = MicroBatcher(recorder, size=1)

    for number in range(50):
        assert asked(batcher, [number]) == [2 * number]

    assert recorder.batches == [[number] for number in range(50)]


def test_the_callers_list_may_be_any_sequence_and_is_not_kept() -> None:
    mine = [1, 2]

    class Greedy(Recorder):
        def __call__(self, items: list[int]) -> list[int]:
            doubled = super().__call__(items)
            items.clear()
            return doubled

    batcher = MicroBatcher(Greedy(), size=1)

    assert asked(batcher, mine) == [2, 4]
    assert mine == [1, 2]
    assert asked(batcher, (3,)) == [6]
    assert asked(batcher, []) == []


@pytest.mark.parametrize("size", [1, 4])
def test_an_idle_batcher_waits_no_longer_than_wait_ms(size: int) -> None:
    batcher = MicroBatcher(Recorder(), size=size, wait_ms=50)
    began = time.monotonic()
    assert asked(batcher, [1]) == [2]

    assert time.monotonic() - began < 2.0


def test_a_full_batch_waits_for_nobody() -> None:
    batcher = MicroBatcher(Recorder(), size=2, wait_ms=NEVER_MS)

    assert asked(batcher, [1, 2]) == [2, 4]  # within PATIENCE_S


def test_two_runners_have_two_batches_in_work_at_once() -> None:
    both = threading.Barrier(2)

    def meet(items: list[int]) -> list[int]:
        both.wait(PATIENCE_S)  # breaks if there never is a second batch
        return items

    batcher = MicroBatcher(meet, size=1, runners=2)

    assert [future.result() for future in together(2, lambda number: batcher([number]))] == [
        [0],
        [1],
    ]


def test_an_error_reaches_every_caller_of_its_batch_and_nobody_else() -> None:
    recorder = Recorder()
    batcher = MicroBatcher(recorder, size=3, wait_ms=NEVER_MS)

    unlucky = together(3, lambda number: batcher([number - 1]))
    lucky = together(3, lambda number: batcher([number]))

    assert len(recorder.batches) == 2
    assert [type(future.exception()) for future in unlucky] == [ArithmeticError] * 3
    assert [future.result() for future in lucky] == [[0], [2], [4]]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), BaseException("odd")])
def test_whatever_is_raised_reaches_the_caller_and_the_runner_goes_on(
    error: BaseException,
) -> None:
    def fail_once(items: list[int]) -> list[int]:
        if items == [0]:
            raise error
        return items

    batcher = MicroBatcher(fail_once, size=1)

    with pytest.raises(type(error)):
        asked(batcher, [0])
    assert asked(batcher, [1]) == [1]


def test_a_time_out_of_the_function_is_an_error_like_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)

    def time_out(items: list[int]) -> Sequence[int]:
        raise TimeoutError("the store does not answer")

    batcher = MicroBatcher(time_out, size=1, time_limit_s=PATIENCE_S)

    with pytest.raises(TimeoutError, match="store"):
        asked(batcher, [1])
    assert ended == []


@pytest.mark.parametrize("results", [[], [1], [1, 2, 3]])
def test_a_wrong_number_of_results_is_an_error(results: list[int]) -> None:
    batcher: MicroBatcher[int, int] = MicroBatcher(lambda items: results, size=1)

    with pytest.raises(ValueError, match="results"):
        asked(batcher, [1, 2])


def run(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, which it may end."""
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
        timeout=PATIENCE_S,
    )


def test_a_stuck_function_ends_the_process() -> None:
    ended = run(
        "import threading, batching\n"
        "stuck = lambda items: threading.Event().wait()\n"
        "batching.MicroBatcher(stuck, size=1, time_limit_s=0.2)([1])\n"
    )

    assert (ended.returncode, ENDED_EXIT_STATUS) == (70, 70)
    assert "stuck" in ended.stderr


@pytest.mark.parametrize("error", ["MemoryError()", """RuntimeError("can't start new thread")"""])
def test_a_function_without_memory_ends_the_process_that_others_rely_on(error: str) -> None:
    def asking(limit: str) -> str:
        return (
            "import batching\n"
            f"def fail(items): raise {error}\n"
            f"batching.MicroBatcher(fail, size=1{limit})([1])\n"
        )

    ended = run(asking(", time_limit_s=60"))
    assert ended.returncode == ENDED_EXIT_STATUS
    assert "no memory" in ended.stderr
    assert run(asking("")).returncode == 1  # the caller's, as any other error


def test_waiting_for_ones_turn_is_not_being_stuck() -> None:
    # Ten calls, one after the other: together they take longer than any of them may.
    ended = run(
        "import time, batching\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "slow = lambda items: time.sleep(0.15) or items\n"
        "batcher = batching.MicroBatcher(slow, size=1, time_limit_s=1)\n"
        "print(sum(ThreadPoolExecutor(10).map(lambda n: batcher([n])[0], range(10))))\n"
    )

    assert (ended.returncode, ended.stdout) == (0, "45\n")
