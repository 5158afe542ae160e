"""The keys that a process has met lately, so that a request rarely has to ask the database."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from store.errors import StoreError
from store.keys import Key, Keys, Secret

FRESH_S = 5.0  # after which a key is looked up again, by one thread while the others go on
LONGEST_S = 10.0  # after which nobody goes on: a key that was revoked is refused by then
MOST = 10_000  # keys remembered; beyond that the memory begins anew
USE_NOTED_EVERY_S = 60.0


@dataclass(frozen=True)
class _Known:
    key: Key
    asked_at: tuple[float, float]  # by both clocks

    def age_s(self) -> float:
        """How long ago it was read, by the clock that says longer.

        The monotonic one stands still while a function is frozen, and the other may be set back.
        """
        return max(now - then for now, then in zip(_clocks(), self.asked_at, strict=True))


def _clocks() -> tuple[float, float]:
    return time.monotonic(), time.time()


class KnownKeys:
    """Says whose a key is. Only keys that exist are remembered: nobody can fill it with others."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._known: dict[str, _Known] = {}
        self._noted_s: dict[str, float] = {}  # when this process last told the table of a use
        self._asking = threading.Lock()

    def owner(self, text: str) -> Key | None:
        """Return the live key that ``text`` is the whole of, if there is one.

        Raises:
            StoreError: it would have to be looked up, and the database does not answer.
        """
        try:
            secret = Secret.parse(text)
        except ValueError:
            return None
        key = self._look_up(secret.id)
        if key is None or not key.is_of(secret):
            return None
        self._note_use(key.id)
        return key

    def _look_up(self, key_id: str) -> Key | None:
        known = self._known.get(key_id)
        age_s = known.age_s() if known else LONGEST_S
        if known and age_s < FRESH_S:
            return known.key
        if known and age_s < LONGEST_S:
            if not self._asking.acquire(blocking=False):
                return known.key
            try:
                return self._ask(key_id)
            except StoreError:
                if known.age_s() >= LONGEST_S:  # to ask takes a while, where the database hangs
                    raise
                return known.key
            finally:
                self._asking.release()
        return self._ask(key_id)

    def _ask(self, key_id: str) -> Key | None:
        asked_at = _clocks()
        key = self._keys.find(key_id)
        if key is None:
            self._known.pop(key_id, None)
            return None
        if len(self._known) >= MOST:
            self._known, self._noted_s = {}, {}
        self._known[key_id] = _Known(key, asked_at)
        return key

    def _note_use(self, key_id: str) -> None:
        now_s = time.monotonic()
        if now_s - self._noted_s.get(key_id, float("-inf")) < USE_NOTED_EVERY_S:
            return
        self._noted_s[key_id] = now_s
        with suppress(StoreError):  # a note, and no reason to refuse anybody
            self._keys.touch(key_id)
