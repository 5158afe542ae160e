"""A run of the experiments loses no figures of others, and no failure of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.chaos import __main__ as front
from tests.chaos import campaign, experiment, table
from tests.chaos.audit import Outcome
from tests.chaos.burst import SMALL
from tests.chaos.experiment import REGISTRY, Experiment, Strike
from tests.chaos.figures import Book, read

GOOD = Outcome(accepted=1, done=1)
BAD = Outcome(accepted=1, lost=1, troubles=["one is lost"])


def made(path: Path, seeds: int, outcome: Outcome = GOOD, size: str = "full") -> Book:
    """Return the book after a run of one experiment."""
    book = Book(path, f"--seeds {seeds}", size)
    book.begin(["one@here"])
    book.open("one@here", "a fault", "on-prem", 5.0)
    for seed in book.left("one@here", seeds):
        book.take("one@here", seed, outcome)
    book.publish("one@here")
    return book


def outcomes(path: Path) -> dict[str, Any]:
    """Return the published ones of that experiment."""
    found: dict[str, Any] = read(path)["experiments"]["one@here"]["outcomes"]
    return found


@pytest.fixture
def figures(tmp_path: Path) -> Path:
    """Return a file for figures."""
    return tmp_path / "figures.json"


def test_a_shorter_run_replaces_no_row_and_a_longer_one_does(figures: Path) -> None:
    made(figures, 3)
    shorter = made(figures, 2)
    assert shorter.left("one@here", 2) == []  # or it would be made for ever
    assert len(outcomes(figures)) == 3
    made(figures, 4)
    assert len(outcomes(figures)) == 4


def test_a_failure_of_a_shorter_run_is_published(figures: Path) -> None:
    made(figures, 3)
    book = made(figures, 2, BAD)
    assert len(outcomes(figures)) == 5
    assert len(book.troubles()) == 2


def test_a_failure_of_a_run_that_was_cut_off_is_not_forgotten_by_the_next(figures: Path) -> None:
    book = Book(figures, "--seeds 9", "full")
    book.begin(["one@here"])
    book.open("one@here", "a fault", "on-prem", 5.0)
    book.take("one@here", 1, BAD)
    assert len(Book(figures, "", "full").troubles()) == 1
    another = Book(figures, "--seeds 9", "full")
    another.begin(["one@here"])
    assert len(another.troubles()) == 1
    assert another.left("one@here", 2) == [1, 2]


def test_resuming_makes_what_was_not_made_and_no_more(figures: Path) -> None:
    book = Book(figures, "--seeds 3", "full")
    book.begin(["one@here"])
    book.open("one@here", "a fault", "on-prem", 5.0)
    book.take("one@here", 1, GOOD)
    again = Book(figures, "--seeds 3", "full")
    again.resume()
    assert again.left("one@here", 3) == [2, 3]
    for seed in (2, 3):
        again.take("one@here", seed, GOOD)
    again.publish("one@here")
    assert again.left("one@here", 3) == []


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """Return a document with a table of before."""
    path = tmp_path / "doc.md"
    path.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    return path


def test_an_unknown_name_is_refused_and_changes_nothing(figures: Path, document: Path) -> None:
    made(figures, 3)
    before = figures.read_text(), document.read_text()
    with pytest.raises(SystemExit) as ended:
        front.main(["--only", "typo", "--json", str(figures), "--doc", str(document)])
    assert ended.value.code == 2
    assert (figures.read_text(), document.read_text()) == before


def test_the_table_is_replaced_between_its_marks_and_nothing_else_is(
    figures: Path, document: Path
) -> None:
    book = made(figures, 2)
    book.cannot("two@here", "another fault", "there is no wire")
    table.write(document, read(figures))
    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| a fault | 2 | 2 | 2 | 0 | 0 | 0 |" in text
    assert "- another fault: there is no wire." in text
    assert "Nothing was lost" in text


def test_small_bursts_replace_no_row_and_are_in_no_table(figures: Path, tmp_path: Path) -> None:
    made(figures, 2)
    made(figures, 3, size="small")
    assert len(outcomes(figures)) == 2
    another = tmp_path / "another.json"
    made(another, 3, size="small")
    assert "a fault" not in table.rendered(read(another))


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have a place with an experiment that raises at its first seed; return its starts."""
    starts: list[str] = []

    @contextmanager
    def running(folder: Path) -> Iterator[Any]:
        starts.append(folder.name)
        yield SimpleNamespace(url="", database_url="", bound_s=1.0, settle=lambda: None)

    def inject(strike: Strike) -> None:
        assert len(starts) > 1, "the fault was too much"

    class NoBurst:
        def __init__(self, *_: object) -> None:
            self.images: list[object] = []

        def finish(self) -> None:
            pass

    one = Experiment("raising", "a fault", inject, lambda _: nullcontext(), "here", 1.0, str)
    monkeypatch.setitem(REGISTRY, "raising", one)
    monkeypatch.setattr(campaign, "PLACES", {"here": running})
    monkeypatch.setattr(experiment, "Burst", NoBurst)
    monkeypatch.setattr(experiment, "_reckoned", lambda *_: Outcome(accepted=1, done=1))
    return starts


def test_what_a_fault_raises_is_written_down_and_the_other_seeds_are_made(
    place: list[str], figures: Path, tmp_path: Path
) -> None:
    book = Book(figures, "--seeds 3", "small")
    book.begin(["raising@here"])
    campaign.Campaign(book, ["raising"], 3, SMALL, tmp_path).make()
    row = json.loads(figures.read_text())["experiments"]["raising@here"]
    assert list(row["outcomes"]) == ["1", "2", "3"]
    assert row["outcomes"]["1"]["troubles"] == ["the fault: the fault was too much"]
    assert "troubles" not in row["outcomes"]["2"]
    assert len(place) == 2
    assert book.troubles()
