"""What a run came to, as a table and as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from tests.fuzz.child import ACCEPTED
from tests.fuzz.decoding import Decoded
from tests.fuzz.inputs import kind_of
from tests.fuzz.uploading import Uploaded

HEADER = ("", "inputs", "accepted", "refused", "wrong", "slowest ms", "peak MB")


def lines(title: str, header: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> list[str]:
    """Return a table of Markdown, its columns aligned so that it reads in a terminal too."""
    cells = [(title, *header[1:]), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(header))]
    written = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    return [written[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *written[1:]]


def rows_by(
    kind: Callable[[int], str], decoded: list[Decoded], wrong: dict[int, str]
) -> list[tuple[Any, ...]]:
    """Return a line for each kind of input, as ``HEADER`` has it."""
    kinds: dict[str, list[Decoded]] = {}
    for one in decoded:
        kinds.setdefault(kind(one.number), []).append(one)
    return [
        (
            name,
            len(ones),
            sum(one.outcome == ACCEPTED for one in ones),
            sum(one.outcome != ACCEPTED for one in ones),
            sum(one.number in wrong for one in ones),
            f"{max(one.cpu_ms for one in ones):.0f}",
            f"{max(one.grown_mb for one in ones):.0f}",
        )
        for name, ones in kinds.items()
    ]


def wrong_ones(decoded: list[Decoded], uploaded: list[Uploaded]) -> dict[int, str]:
    """Return what is wrong with which input; both ways have to come to the same."""
    wrong = {one.number: f"decode: {one.wrong}" for one in decoded if one.wrong}
    wrong |= {one.number: f"upload: {one.wrong}" for one in uploaded if one.wrong}
    by_number = {one.number: one.outcome for one in decoded}
    for one in uploaded:
        outcomes = {one.outcome, by_number.get(one.number, one.outcome)}
        # Of a time limit, either may come to it on a machine that is busy.
        if one.number not in wrong and len(outcomes - {"decode_timeout"}) > 1:
            wrong[one.number] = f"decode: {by_number[one.number]}, upload: {one.outcome}"
    return wrong


def document(
    seed: int, decoded: list[Decoded], uploaded: list[Uploaded], seconds: float
) -> dict[str, Any]:
    """Return all of it as JSON has it."""
    wrong = wrong_ones(decoded, uploaded)
    return {
        "format": "skylane-fuzz/1",
        "seed": seed,
        "inputs": len(decoded),
        "seconds": round(seconds, 1),
        "accepted": sum(one.outcome == ACCEPTED for one in decoded),
        "uploaded": len(uploaded),
        "answers": dict(Counter(str(one.status) for one in uploaded)),
        "codes": dict(Counter(one.outcome for one in decoded).most_common()),
        "slowest_cpu_ms": max(one.cpu_ms for one in decoded),
        "peak_mb": max(one.grown_mb for one in decoded),
        "wrong": [
            {"number": number, "kind": " ".join(kind_of(number)), "what": what}
            for number, what in sorted(wrong.items())
        ],
        "kinds": [
            dict(zip(("kind", *HEADER[1:]), row, strict=True))
            for row in rows_by(lambda number: " ".join(kind_of(number)), decoded, wrong)
        ],
    }
