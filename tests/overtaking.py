"""Races that are lost for certain: what is to come first does so at the very moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from api.services import Services
from store.images.base import NewImage
from store.references import Reference
from tests.stack import until

PATIENCE_S = 20.0

Then = Callable[[list[Reference]], object]


@contextmanager
def after_storing(at_hand: Services, then: Then) -> Iterator[None]:
    """Call ``then`` when this API has stored a commit's images, and not yet their rows; once."""
    put_many = at_hand.images.put_many

    def stored(images: Sequence[NewImage]) -> list[Reference]:
        at_hand.images.put_many = put_many  # type: ignore[method-assign]
        references = put_many(images)
        then(references)
        return references

    at_hand.images.put_many = stored  # type: ignore[method-assign]
    try:
        yield
    finally:
        at_hand.images.put_many = put_many  # type: ignore[method-assign]


def in_one_commit(
    at_hand: Services, first: Callable[[], Any], calls: Sequence[Callable[[], Any]]
) -> list[Any]:
    """Run ``calls`` so that their uploads share a commit, in this order; return their answers.

    It gathers while the commit of ``first``, an upload, is in work.
    """
    answers: dict[int, Any] = {}

    def begin(number: int, call: Callable[[], Any]) -> threading.Thread:
        def run() -> None:
            answers[number] = call()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    stored, gathered = threading.Event(), threading.Event()

    def wait(_: list[Reference]) -> None:
        stored.set()
        assert gathered.wait(PATIENCE_S)

    with after_storing(at_hand, wait):
        threads = [begin(-1, first)]
        assert stored.wait(PATIENCE_S)
    waiting = at_hand.intake._insert._calls
    for number, call in enumerate(calls):
        threads.append(begin(number, call))
        until(lambda there=number + 1: waiting.qsize() == there)
    gathered.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    return [answers[number] for number in range(len(calls))]
