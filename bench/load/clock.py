"""What the database's clock shows when ours shows something: found from the images themselves.

A row is accepted after its request was sent and before that was answered, so each answered request
bounds how far the clocks are apart, as an exchange of NTP does (RFC 5905, section 8). All of them
together bound it closely: the tightest from each side count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Exchange(NamedTuple):
    """A request, in seconds: ours from the run's beginning, theirs since 1970."""

    sent_s: float
    accepted: float
    answered_s: float


@dataclass(frozen=True)
class Clocks:
    """What their clock showed at the run's beginning, and how far from that the truth may be."""

    beginning: float
    within_s: float

    def ours(self, theirs: float) -> float:
        """Return the seconds from the run's beginning until their clock showed ``theirs``."""
        return theirs - self.beginning


def compared(exchanges: Iterable[Exchange]) -> Clocks | None:
    """Compare the clocks; None if there was no exchange.

    Where bounds contradict each other one of the clocks was set or drifts: the middle is taken, and
    half of the contradiction is the error.
    """
    low, high = float("-inf"), float("inf")
    for one in exchanges:
        low = max(low, one.accepted - one.answered_s)
        high = min(high, one.accepted - one.sent_s)
    if low == float("-inf"):
        return None
    return Clocks((low + high) / 2, abs(high - low) / 2)
