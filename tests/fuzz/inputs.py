"""Input number N of seed S: the same bytes wherever and whenever it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tests.fuzz import seeds
from tests.fuzz.mutations import MUTATIONS

# Bombs take a hundred times as long as the others: one in ten rounds through all mutations.
BOMBS_EVERY = 10
_OTHERS = tuple(name for name in MUTATIONS if name != "bomb")


@dataclass(frozen=True)
class Input:
    """A file, and what was done to it."""

    number: int
    image_format: str
    mutation: str
    data: bytes


def kind_of(number: int) -> tuple[str, str]:
    """Return the format and the mutation of an input: all of them in turn."""
    turn, which = divmod(number, len(seeds.FORMATS))
    rounds, at = divmod(turn, len(_OTHERS))
    name = "bomb" if rounds % BOMBS_EVERY == BOMBS_EVERY - 1 else _OTHERS[at]
    return seeds.FORMATS[which], name


def made(seed: int, number: int) -> Input:
    """Make an input."""
    image_format, name = kind_of(number)
    rng = Random(f"{seed} {number}")
    return Input(number, image_format, name, mutated(image_format, name, rng))


def mutated(image_format: str, name: str, rng: Random) -> bytes:
    """Return a file of the format with one mutation, or with two now and then."""
    data = MUTATIONS[name](image_format, rng.choice(seeds.sound(image_format)), rng)
    if len(data) > 2 * seeds.SMALL_BYTES or rng.random() < 0.8 or len(data) < 2:
        return data
    return MUTATIONS["bits flipped"](image_format, data, rng)
