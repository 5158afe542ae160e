"""`skylane classify` against a running API."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import pytest

from tests.cli.command import skylane

TILES = Path(__file__).parents[1] / "data" / "eurosat"


@pytest.fixture
def forest(tmp_path: Path) -> Path:
    """Make a folder of a class with good tiles in it."""
    shutil.copytree(TILES / "Forest", tmp_path / "Forest")
    return tmp_path / "Forest"


def written(path: Path) -> dict[str, dict[str, str]]:
    """Read a CSV file's rows by the names of their files."""
    with path.open(encoding="utf-8", newline="") as file:
        return {Path(row["path"]).name: row for row in csv.DictReader(file)}


def test_a_folder_is_classified_and_its_folders_tell_the_truth(
    api_url: str, tmp_path: Path
) -> None:
    out = tmp_path / "rows.csv"
    ended = skylane("classify", str(TILES), "--url", api_url, "--csv", str(out))
    assert ended.returncode == 0, ended.stderr
    assert "50 images: 50 done, 0 failed" in ended.stdout
    assert "of 50 images whose folder is a class" in ended.stdout
    rows = written(out)
    assert {row["true_label"] for row in rows.values()} == {
        folder.name for folder in TILES.iterdir() if folder.is_dir()
    }
    assert all(row["predicted_label"] and row["latency_ms"] for row in rows.values())
    assert len({row["request_id"] for row in rows.values()}) == 50


def test_the_address_may_stand_in_the_environment(api_url: str, forest: Path) -> None:
    assert skylane("classify", str(forest), SKYLANE_URL=api_url).returncode == 0


def test_a_bad_file_is_reported_beside_the_good_ones(
    api_url: str, forest: Path, tmp_path: Path
) -> None:
    sound = next(forest.glob("*.jpg")).read_bytes()
    (forest / "cut.jpg").write_bytes(sound[:500])
    (forest / "empty.png").touch()
    (forest / "gone.jpg").symlink_to("nowhere")
    os.mkfifo(forest / "pipe.jpg")
    (forest / "large.jpg").write_bytes(sound + bytes(11 * 2**20))
    with (forest / "huge.tif").open("wb") as file:
        file.truncate(100 * 2**20)
    text = tmp_path / "notes.txt"
    text.write_text("not an image")
    out = tmp_path / "rows.csv"

    ended = skylane("classify", str(forest), str(text), "--url", api_url, "--csv", str(out))

    assert ended.returncode == 1
    assert "12 images: 5 done, 7 failed" in ended.stdout
    errors = {name: row["error_code"] for name, row in written(out).items() if row["error_code"]}
    assert errors == {
        "cut.jpg": "truncated_image",
        "empty.png": "empty_file",
        "gone.jpg": "unreadable_file",
        "pipe.jpg": "unreadable_file",
        "large.jpg": "image_bytes_too_many",
        "huge.tif": "file_too_large",
        "notes.txt": "not_an_image",
    }
    assert all(code in ended.stdout for code in errors.values())


def test_names_of_any_kind_are_sent_and_shown(api_url: str, forest: Path, tmp_path: Path) -> None:
    sound = next(forest.glob("*.jpg")).read_bytes()
    for name in (b"ein Bild \xc3\xbc.jpg", b'[b]"quoted"; x=1.jpg', b"\x1b[31m\n.jpg", b"\xff.jpg"):
        Path(os.fsdecode(os.fsencode(forest) + b"/" + name)).write_bytes(sound)
    out = tmp_path / "rows.json"
    ended = skylane("classify", str(forest), "--url", api_url, "--json", str(out))
    assert ended.returncode == 0, ended.stderr
    assert {"ein Bild ü.jpg", '[b]"quoted"; x=1.jpg', "?[31m?.jpg", "�.jpg"} < {
        Path(row["path"]).name for row in json.loads(out.read_text(encoding="utf-8"))
    }
    assert "\x1b" not in ended.stdout
    assert '[b]"quoted"; x=1.jpg' in ended.stdout


def test_stdout_holds_nothing_but_the_rows_when_they_go_there(api_url: str, forest: Path) -> None:
    ended = skylane("classify", str(forest), "--url", api_url, "--json", "-")
    assert len(json.loads(ended.stdout)) == 5
    assert "5 images: 5 done" in ended.stderr


def test_a_terminal_without_the_letters_gets_others(api_url: str, forest: Path) -> None:
    next(forest.glob("*.jpg")).rename(forest / "图.jpg")
    ended = skylane("classify", str(forest), "--url", api_url, PYTHONIOENCODING="ascii")
    assert ended.returncode == 0, ended.stderr
    assert "5 images: 5 done" in ended.stdout


def test_nobody_there_is_said_with_what_to_do(forest: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.csv"
    kept.write_text("rows of an earlier run")
    url = "http://127.0.0.1:1"
    ended = skylane("classify", str(forest), "--url", url, "--csv", str(kept))
    assert ended.returncode == 1
    assert f"{url} does not answer: no connection" in ended.stderr
    assert "./run" in ended.stderr
    assert "--url" in ended.stderr
    assert "SKYLANE_API_PORT" in ended.stderr
    assert kept.read_text() == "rows of an earlier run"


def test_another_server_is_not_taken_for_skylane(api_url: str, forest: Path) -> None:
    ended = skylane("classify", str(forest), "--url", f"{api_url}/elsewhere")
    assert ended.returncode == 1
    assert "does not answer as Skylane does (HTTP 404)" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing"], "does not exist"),
        (["."], "no image (.jpg"),
        ([".", "--url", "localhost:8000"], "no address such as http://"),
        ([".", "--csv", "-", "--json", "-"], "cannot both write to stdout"),
        ([".", "--timeout", "0"], "--timeout"),
        ([".", "--batch-size", "many"], "--batch-size"),
        ([], "PATH"),
    ],
)
def test_a_command_that_cannot_be_meant_is_a_usage_error(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    given = [
        str(tmp_path / argument) if argument in ("missing", ".") else argument
        for argument in arguments
    ]
    ended = skylane("classify", *given)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_file_that_cannot_be_written_is_told_before_anything_is_sent(
    api_url: str, forest: Path, tmp_path: Path
) -> None:
    out = str(tmp_path / "no such folder" / "rows.csv")
    ended = skylane("classify", str(forest), "--url", api_url, "--csv", out)
    assert ended.returncode == 2
    assert f"cannot write {out}" in ended.stderr
