"""Waiting for a prediction holds up nobody else, and ends when it was said to end."""

from __future__ import annotations

import concurrent.futures
import time

import requests

from tests.stack import WORKER, Stack, until

WAITERS, WAIT_S = 100, 4


def test_a_hundred_who_wait_are_in_nobodys_way(stack: Stack, tile: bytes) -> None:
    def wait(number: int) -> tuple[int, str, float]:
        started = time.monotonic()
        answer = requests.post(
            f"{stack.url}/upload?wait={WAIT_S}", files={"file": ("a.jpg", tile)}, timeout=60
        )
        return answer.status_code, answer.json()["request_id"], time.monotonic() - started

    with concurrent.futures.ThreadPoolExecutor(WAITERS) as pool:
        with stack.frozen(WORKER):
            waiting = [pool.submit(wait, number) for number in range(WAITERS)]
            until(lambda: requests.get(f"{stack.url}/stats", timeout=9).json()["queue_depth"])
            slowest_s = 0.0
            while not all(one.done() for one in waiting):
                started = time.monotonic()
                assert requests.get(f"{stack.url}/health", timeout=30).ok
                slowest_s = max(slowest_s, time.monotonic() - started)
                time.sleep(0.02)
            answers = [one.result() for one in waiting]
        assert {status for status, _, _ in answers} == {202}
        assert slowest_s < WAIT_S / 2  # somewhere in the middle of their wait at the latest
        assert max(took_s for _, _, took_s in answers) > WAIT_S

    def all_done() -> bool:
        rows = [
            requests.get(f"{stack.url}/results/{request_id}", timeout=9).json()
            for _, request_id, _ in answers
        ]
        return all(row["status"] == "done" for row in rows)

    until(all_done)


def test_an_answer_comes_when_the_work_is_done_and_not_when_the_wait_ends(
    stack: Stack, tile: bytes
) -> None:
    started = time.monotonic()
    answer = requests.post(
        f"{stack.url}/upload?wait=30", files={"file": ("a.jpg", tile)}, timeout=60
    )
    assert answer.status_code == 200
    assert time.monotonic() - started < 10
