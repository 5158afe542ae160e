"""`skylane keys`, on a database that is named, and on the one that ./run keeps."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

from local.postgres import EmbeddedPostgres
from tests.cli.command import skylane

KEY = re.compile(r"skl_[0-9A-Za-z]{56}\n")


def test_a_key_is_printed_once_alone_and_known_by_its_name(database_url: str) -> None:
    own = {"DATABASE_URL": database_url}
    assert "there are no keys" in skylane("keys", "list", **own).stdout
    made = skylane("keys", "create", "door camera", "--rate-limit", "600/minute", **own)
    assert made.returncode == 0, made.stderr
    assert KEY.fullmatch(made.stdout)
    assert "not shown again" in made.stderr
    again = skylane("keys", "create", "door camera", **own)
    assert (again.returncode, again.stdout) == (1, "")
    assert "there is a key called door camera already" in again.stderr
    listed = skylane("keys", "list", "--all", **own).stdout
    for told in ("door camera", "read write", "600/minute", made.stdout[4:16]):
        assert told in listed
    assert made.stdout[16:].strip() not in listed
    assert skylane("keys", "revoke", "door camera", **own).returncode == 0
    gone = skylane("keys", "revoke", "door camera", **own)
    assert (gone.returncode, "no live key is called door camera" in gone.stderr) == (1, True)


def test_what_makes_no_key_is_told_in_a_line(servers: tuple[str, str], database_url: str) -> None:
    own = {"DATABASE_URL": database_url}
    for arguments, told in (
        (["create", "a", "--scope", "admin"], "--scope"),
        (["create", "a", "--rate-limit", "often"], "600/minute"),
        (["create", " "], "NAME"),
    ):
        ended = skylane("keys", *arguments, **own)
        assert (ended.returncode, told in ended.stderr) == (2, True), ended.stderr
    admin = psycopg2.connect(servers[0])
    admin.autocommit = True
    admin.cursor().execute("CREATE DATABASE without_schema")
    empty = make_dsn(**parse_dsn(servers[0]) | {"dbname": "without_schema"})
    ended = skylane("keys", "list", DATABASE_URL=empty)
    admin.cursor().execute("DROP DATABASE without_schema")
    admin.close()
    assert (ended.returncode, "skylane migrate" in ended.stderr) == (1, True)
    away = skylane("keys", "list", DATABASE_URL="postgresql://me:hunter2@127.0.0.1:1/none")
    assert away.returncode == 1
    assert "Traceback" not in away.stderr
    assert "hunter2" not in away.stderr


def test_a_key_is_made_in_a_home_that_does_not_run(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    EmbeddedPostgres(home).prepare()
    own = {"SKYLANE_HOME": str(home)}
    assert KEY.fullmatch(skylane("keys", "create", "first", **own).stdout)
    assert "first" in skylane("keys", "list", **own).stdout
