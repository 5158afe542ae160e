"""All experiments that are asked for, with many seeds each, place after place."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.audit import Outcome
from tests.chaos.burst import Size
from tests.chaos.experiment import Experiment, Place, several
from tests.chaos.figures import Book
from tests.chaos.registry import PLACES, experiments

MOST_SEEDS = {"defaults": 3, "whole": 10}  # they wait for half a minute; all of it starts anew
STARTS_IN_VAIN = 2  # of a place, before it is left alone


class UnknownName(Exception):
    """There is no experiment and no place of that name."""


class Campaign:
    """Makes experiments, and writes down what each seed came to as soon as it is there."""

    def __init__(self, book: Book, only: list[str], seeds: int, size: Size, folder: Path) -> None:
        self._book, self._seeds, self._size, self._folder = book, seeds, size, folder
        self.wanted = chosen(only)
        self._last = ("", 0)  # experiment and seed that were in work

    @property
    def keys(self) -> list[str]:
        """What the figures call the experiments that are wanted."""
        return [_key(place, one) for place, ones in self.wanted.items() for one in ones]

    def make(self) -> None:
        """Make what is left of them; what is broken by an experiment is started again."""
        for place, ones in self.wanted.items():
            possible = []
            for one in ones:
                if why := one.impossible():
                    print(f"{one.name}: not here: {why}", flush=True)
                    self._book.cannot(_key(place, one), one.fault, why)
                else:
                    possible.append(one)
            self._make_at(place, possible)

    def _make_at(self, name: str, ones: list[Experiment]) -> None:
        number = in_vain = 0
        while in_vain < STARTS_IN_VAIN and (left := [one for one in ones if self._left(name, one)]):
            number, began = number + 1, False
            try:
                with PLACES[name](self._folder / f"{name}-{number}") as place:
                    began = True
                    for one in left:
                        if not self._repeat(place, name, one):
                            break
            except Exception as error:
                told = f"{name} {'failed' if began else 'did not start'}: {error!r}"
                print(f"  NOT AS PROMISED: {told}", flush=True)
                if not began:
                    self._open(name, left[0], bound_s=0.0)
                    self._last = (_key(name, left[0]), self._left(name, left[0])[0])
                self._book.take_trouble(*self._last, told)
            in_vain = 0 if began else in_vain + 1

    def _left(self, place: str, one: Experiment) -> list[int]:
        seeds = min(self._seeds, MOST_SEEDS.get(place, self._seeds))
        return self._book.left(_key(place, one), seeds)

    def _open(self, place: str, one: Experiment, bound_s: float) -> None:
        self._book.open(_key(place, one), one.fault, place, one.bounds * bound_s)

    def _repeat(self, place: Place, where: str, one: Experiment) -> bool:
        """Make what is left of an experiment; return ``False`` if the place is broken by it."""
        key, began_s, took_s = _key(where, one), time.monotonic(), []
        seeds = self._left(where, one)
        self._open(where, one, place.bound_s)

        def noted() -> Iterator[int]:
            for seed in seeds:
                self._last = (key, seed)
                yield seed

        self._last, good = (key, seeds[0]), True
        try:
            for outcome in several(place, one, noted(), self._size):
                self._book.take(*self._last, outcome)
                _tell(one, self._last[1], outcome)
                took_s.append(outcome.took_s + outcome.settled_s)
                good = not outcome.broken
        except Exception as error:  # what several seeds share could not be made, or not be ended
            self._book.take_trouble(*self._last, repr(error))
            print(f"  NOT AS PROMISED: {error!r}", flush=True)
            good = False
        if not self._left(where, one):
            self._book.publish(key)
        print(
            f"{one.name}: {len(took_s)} seeds took {time.monotonic() - began_s:.0f} s,"
            f" {sum(took_s) / max(1, len(took_s)):.1f} s each",
            flush=True,
        )
        return good


def chosen(only: list[str]) -> dict[str, list[Experiment]]:
    """Return the experiments of each place that were asked for: by name, place or both.

    Raises:
        UnknownName: one of them means nothing.
    """
    known = {
        name
        for place in PLACES
        for one in experiments(place)
        for name in (_key(place, one), one.name, place)
    }
    if strange := sorted(set(only) - known):
        raise UnknownName(f"no such experiment or place: {', '.join(strange)} (see --list)")
    return {
        place: [
            one
            for one in experiments(place)
            if not only or {_key(place, one), one.name, place} & set(only)
        ]
        for place in PLACES
    }


def _key(place: str, one: Experiment) -> str:
    return f"{one.name}@{place}"


def _tell(one: Experiment, seed: int, outcome: Outcome) -> None:
    print(
        f"{one.name} {seed}: {outcome.accepted} accepted, {outcome.done} done,"
        f" {outcome.failed} failed, {outcome.lost} lost, {outcome.duplicated} duplicated;"
        f" slowest {outcome.slowest_s:.1f} s;"
        f" took {outcome.took_s:.1f} s, and {outcome.settled_s:.1f} s to settle",
        flush=True,
    )
    for trouble in outcome.troubles:
        print(f"  NOT AS PROMISED: {trouble}", flush=True)
