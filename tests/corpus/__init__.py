"""Uploads of every kind, made in memory: what each must come to, wherever it is sent."""

from tests.corpus.case import Case
from tests.corpus.damaged import DAMAGED
from tests.corpus.hostile import HOSTILE
from tests.corpus.sound import SOUND

CASES: tuple[Case, ...] = (*SOUND, *DAMAGED, *HOSTILE)

__all__ = ["CASES", "DAMAGED", "HOSTILE", "SOUND", "Case"]
