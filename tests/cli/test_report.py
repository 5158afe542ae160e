"""Tables, figures and files made of rows."""

from __future__ import annotations

import csv
import io
import json
from contextlib import suppress
from pathlib import Path

import pytest
from rich.console import Console

from cli.outputs import csv_output, json_output
from cli.report import Report, percentile
from cli.rows import FIELDS, Row


def done(number: int, label: str, true_label: str | None = None, path: str = "") -> Row:
    return Row(
        number,
        path or f"{number}.jpg",
        true_label=true_label,
        status="done",
        request_id=f"id-{number}",
        predicted_label=label,
        confidence=0.5,
        latency_ms=float(number),
    )


def shown(report: Report, width: int = 100) -> str:
    console = Console(width=width, file=io.StringIO())
    console.print(report.table(width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("percent", "expected"), [(1, 1.0), (50, 50.0), (99, 99.0), (100, 100.0), (0, 1.0)]
)
def test_a_percentile_is_a_measured_value_and_the_right_one(percent: int, expected: float) -> None:
    assert percentile([float(value) for value in range(1, 101)], percent) == expected
    assert percentile([7.0], percent) == 7.0


def test_accuracy_counts_only_what_is_done_and_known() -> None:
    report = Report()
    report.add(done(1, "River", "River"))
    report.add(done(2, "River", "Forest"))
    report.add(done(3, "River"))
    report.add(Row(4, "4.jpg", true_label="River").failed("failed", "truncated_image", "cut"))
    report.add(Row(5, "5.jpg", true_label="River", status="pending"))
    summary = "\n".join(report.summary(2.0))
    assert "5 images: 3 done, 1 failed, 1 unfinished" in summary
    assert "2.00 s, 1.5 images/s" in summary
    assert "50.00 % (1 of 2 images" in summary


def test_a_long_table_keeps_the_wrong_and_the_failed_and_counts_the_rest() -> None:
    report = Report()
    for number in range(100):
        report.add(done(number, "River", "River"))
    report.add(done(100, "River", "Forest", path="wrong.jpg"))
    report.add(Row(101, "cut.jpg").failed("failed", "truncated_image", "cut"))
    table = shown(report)
    assert "wrong.jpg" in table
    assert "cut.jpg" in table
    assert "failed: truncated_image" in table
    assert table.count("\n") < 20
    assert report.hidden() == 95


def test_a_short_table_hides_nothing_and_follows_the_command_line() -> None:
    report = Report()
    for number in (2, 0, 1):
        report.add(done(number, "River"))
    table = shown(report)
    assert table.index("0.jpg") < table.index("1.jpg") < table.index("2.jpg")
    assert report.hidden() == 0


@pytest.mark.parametrize("width", [30, 60, 80, 200])
def test_a_narrow_terminal_keeps_the_end_of_a_path(width: int) -> None:
    report = Report()
    report.add(done(1, "River", path="a/very/long/way/to/" * 10 + "tile.jpg"))
    table = shown(report, width)
    assert "tile.jpg" in table
    assert max(map(len, table.splitlines())) <= width


def test_a_name_is_shown_and_neither_obeyed_nor_read_as_markup() -> None:
    report = Report()
    report.add(done(1, "River", path="[red]x[/red]\x1b[31m\n\udcff.jpg"))
    assert "[red]x[/red]?[31m?\N{REPLACEMENT CHARACTER}.jpg" in shown(report)


@pytest.mark.parametrize("n", [0, 1, 3])
def test_json_is_one_whole_document_of_all_fields(tmp_path: Path, n: int) -> None:
    path = tmp_path / "rows.json"
    with json_output(str(path)) as write:
        for number in range(n):
            write(done(number, "River", path="ein Bild ü \udcff.jpg"))
    rows = json.loads(path.read_text(encoding="utf-8"))
    assert [row["request_id"] for row in rows] == [f"id-{number}" for number in range(n)]
    assert all(tuple(row) == FIELDS for row in rows)


def test_json_is_whole_even_if_the_run_is_not(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    with suppress(KeyboardInterrupt), json_output(str(path)) as write:
        write(done(1, "River"))
        raise KeyboardInterrupt
    assert len(json.loads(path.read_text())) == 1


def test_csv_gives_back_names_with_commas_and_quotes(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    with csv_output(str(path)) as write:
        write(done(1, "River", path='a, "b" ü.jpg'))
    with path.open(encoding="utf-8", newline="") as file:
        [row] = csv.DictReader(file)
    assert row["path"] == 'a, "b" ü.jpg'
    assert tuple(row) == FIELDS
