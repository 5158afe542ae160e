"""The command line as such: help, settings, and the commands that are thin."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from pydantic import ValidationError

from settings import Settings
from tests.cli.command import environment, skylane


def test_help_loads_nothing_that_takes_time() -> None:
    heavy = ["flask", "numpy", "psycopg2", "pydantic", "requests", "rich", "torch", "celery"]
    code = f"import cli, sys; print([name for name in {heavy} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert loaded.stdout.strip() == "[]"


def test_help_names_every_command() -> None:
    shown = skylane("--help")
    assert shown.returncode == 0
    for command in (
        "up",
        "init",
        "migrate",
        "api",
        "worker",
        "sweep",
        "flower",
        "classify",
        "export",
    ):
        assert f"\n  {command} " in shown.stdout


@pytest.mark.parametrize(
    ("variable", "value", "accepted"),
    [
        ("SKYLANE_API_PORT", "eighty", "valid integer"),
        ("SKYLANE_API_PORT", "70000", "less than or equal to 65535"),
        ("SKYLANE_LANE", "sea", "'on-prem' or 'serverless'"),
        ("SKYLANE_IMAGES_URL", "ftp://host/folder", "s3://"),
    ],
)
@pytest.mark.parametrize("command", ["up", "migrate"])
def test_a_wrong_setting_is_named_with_what_is_accepted(
    command: str, variable: str, value: str, accepted: str
) -> None:
    ended = skylane(command, **{variable: value})
    assert ended.returncode == 2
    assert f"{variable}='{value}'" in ended.stderr
    assert accepted in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("value", ["foo", "ftp://store", "http://", "http://store:port"])
def test_what_is_no_address_is_no_setting(value: str) -> None:
    with pytest.raises(ValidationError, match="s3_endpoint_url"):
        Settings(s3_endpoint_url=value)
    with pytest.raises(ValidationError, match=r"redis\+socket://"):
        Settings(BROKER_URL=value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stale_after_s", 1e13),
        ("retention_days", 1e30),
        ("worker_streams", 100_000),
        ("sweep_every_s", 1e13),
        ("stale_after_s", float("inf")),
    ],
)
def test_a_number_that_nothing_can_work_with_is_no_setting(name: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=f"(?s){name}.*(less than or equal|finite)"):
        Settings(**{name: value})


def test_every_number_has_an_upper_bound() -> None:
    bounds = {
        name: [one.le for one in field.metadata if hasattr(one, "le")]
        for name, field in Settings.model_fields.items()
        if field.annotation in (int, float, int | None, float | None)
    }
    assert len(bounds) >= 20
    assert [name for name, found in bounds.items() if not found] == []


def test_nothing_is_older_than_dates_are() -> None:
    told = skylane("prune", "--older-than", "99999999999999999d")
    assert (told.returncode, "more than a hundred years" in told.stderr) == (2, True)


def test_migrate_says_what_it_applied_and_that_nothing_is_left(database_url: str) -> None:
    with psycopg2.connect(database_url) as connection:
        connection.cursor().execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    connection.close()
    assert "applied 001_predictions.sql" in skylane("migrate", DATABASE_URL=database_url).stdout
    again = skylane("migrate", DATABASE_URL=database_url)
    assert (again.returncode, "applied" in again.stdout) == (0, False)


def test_migrate_without_a_database_says_which_variable_to_set() -> None:
    ended = skylane("migrate")
    assert ended.returncode == 2
    assert "DATABASE_URL is not set" in ended.stderr


def test_migrate_without_a_server_says_so_in_a_line_or_two() -> None:
    ended = skylane("migrate", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert ended.returncode == 1
    assert "Connection refused" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is installed here")
def test_train_says_what_to_install(tmp_path: Path) -> None:
    ended = skylane("train", "--data", str(tmp_path), "--out", str(tmp_path / "out"))
    assert ended.returncode == 1
    assert "pip install -r requirements/train.txt" in ended.stderr


def test_a_reader_that_has_enough_is_no_error_to_tell_of(tmp_path: Path) -> None:
    command = subprocess.Popen(
        [sys.executable, "-m", "cli", "--help"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert command.stdout
    assert command.stderr
    command.stdout.close()
    assert command.stderr.read() == b""
    command.stderr.close()
    command.wait()
