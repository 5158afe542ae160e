"""Passwords and keys come from the environment or from files, and are in no log and no argument."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg2.extensions
import pytest
import requests

from local import backup
from local.errors import LocalError
from local.ports import free_ports
from settings import ROOT, Settings
from store.database import Database
from store.errors import StoreError
from store.keys import Secret
from store.migrations import migrate
from tests.cli.command import environment, skylane
from tests.stack import until

DATABASE, BROKER, FLOWER, S3 = "db-hunter2", "broker-hunter2", "flower-hunter2", "s3-hunter2"
NOBODY = {
    "DATABASE_URL": f"postgresql://skylane:{DATABASE}@127.0.0.1:1/none",
    "BROKER_URL": f"redis://:{BROKER}@127.0.0.1:1/0",
}


@contextmanager
def program(name: str, log: Path, **variables: str) -> Iterator[psutil.Process]:
    """Run one of the programs at its most talkative, and end it."""
    told = {"SKYLANE_LOG_LEVEL": "DEBUG", "AWS_SECRET_ACCESS_KEY": S3, **variables}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", name],
            env=environment(**told),
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield psutil.Process(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answer(url: str, **arguments: Any) -> requests.Response | None:
    try:
        return requests.get(url, timeout=20, **arguments)
    except requests.ConnectionError:
        return None


def arguments_of(process: psutil.Process) -> str:
    family = [process, *process.children(recursive=True)]
    return " ".join(word for one in family for word in one.cmdline())


def test_no_program_tells_a_secret_at_work_or_in_trouble(
    tmp_path: Path, database_url: str, tile: bytes
) -> None:
    # A database that is there, with a password; all else is away.
    there = psycopg2.extensions.make_dsn(
        **psycopg2.extensions.parse_dsn(database_url), password=DATABASE
    )
    key, bad = Secret.new().text, Secret.new().text
    port, flower_port = free_ports(2)
    common = {**NOBODY, "SKYLANE_HOME": str(tmp_path), "SKYLANE_INITIAL_KEY": key}
    logs = {name: tmp_path / f"{name}.log" for name in ("api", "worker", "sweep", "flower")}
    assert skylane("migrate", **{**common, "DATABASE_URL": there}).returncode == 0
    own = {
        "api": {
            "DATABASE_URL": there,
            "SKYLANE_API_PORT": str(port),
            "SKYLANE_LOG_FORMAT": "json",  # which has all that a line was given
            "SKYLANE_ACCESS": "keys",
            "SKYLANE_RATE_LIMIT": "100/minute",
        },
        "sweep": {"SKYLANE_SWEEP_EVERY_S": "0.1", "SKYLANE_LOG_FORMAT": "json"},
        "flower": {
            "SKYLANE_FLOWER_PORT": str(flower_port),
            "SKYLANE_FLOWER_BASIC_AUTH": f"me:{FLOWER}",
        },
    }
    with (
        program("api", logs["api"], **common | own["api"]) as api,
        program("worker", logs["worker"], **common) as worker,
        program("sweep", logs["sweep"], **common | own["sweep"]) as sweep,
        program("flower", logs["flower"], **common | own["flower"]) as flower,
    ):
        url = f"http://127.0.0.1:{port}"
        until(lambda: answer(f"{url}/health"))
        for sent, status in ((key, 200), (bad, 401)):
            told = answer(f"{url}/results", headers={"X-API-Key": sent})
            assert told is not None
            assert told.status_code == status
            assert DATABASE not in told.text
        ready = answer(f"{url}/ready")
        assert ready is not None
        assert not ready.json()["components"]["broker"]["ok"]
        sent_image = requests.post(
            f"{url}/upload?wait=0", data=tile, headers={"X-API-Key": key}, timeout=20
        )
        assert sent_image.status_code in (202, 415)
        auth = ("me", FLOWER)
        until(lambda: answer(f"http://127.0.0.1:{flower_port}/healthcheck", auth=auth))
        for name in ("worker", "sweep"):
            until(lambda name=name: "refused" in logs[name].read_text().lower())
        arguments = " ".join(map(arguments_of, (api, worker, sweep, flower)))
    for secret in (DATABASE, BROKER, FLOWER, S3, key[16:], bad[16:]):
        for name, log in logs.items():
            assert secret not in log.read_text(), name
        assert secret not in arguments


@pytest.mark.parametrize(
    "address",
    [
        "postgresql//me:db-hunter2@127.0.0.1/none",
        "postgresql://me:db-hunter2%zz@127.0.0.1:1/none",
        "postgresql://me:db-hunter2/x@127.0.0.1:1/none",
        "postgresql://me:db-hunter2@x@127.0.0.1:1/none",
        "host=127.0.0.1 port=1 password=db-hunter2 user",
        NOBODY["DATABASE_URL"],
    ],
)
def test_an_address_that_cannot_be_read_is_not_repeated(address: str) -> None:
    for attempt in (lambda: migrate(address), lambda: Database(address).query("SELECT 1")):
        with pytest.raises(StoreError) as caught:
            attempt()
        error: BaseException | None = caught.value
        while error:  # a traceback shows what caused it as well
            assert "hunter2" not in str(error)
            error = error.__cause__


def test_what_is_wrong_with_a_secret_setting_is_told_without_it() -> None:
    shown = repr(Settings(flower_basic_auth=f"me:{FLOWER}", initial_key="x-hunter2"))
    assert "hunter2" not in shown
    wrong = {"BROKER_URL": f"amqp://:{BROKER}@x", "SKYLANE_FLOWER_BASIC_AUTH": f"{FLOWER}:"}
    both = {"SKYLANE_ACCESS": "sesame", "SKYLANE_INITIAL_KEY": "x-hunter2", **NOBODY, **wrong}
    ended = skylane("migrate", **both)
    assert (ended.returncode, "SKYLANE_ACCESS='sesame'" in ended.stderr) == (2, True)
    assert "BROKER_URL=…: should begin with redis://" in ended.stderr
    assert "SKYLANE_FLOWER_BASIC_AUTH=…: should be USER:PASSWORD" in ended.stderr
    assert "hunter2" not in ended.stderr


def test_a_line_that_has_a_password_after_all_loses_it() -> None:
    spelled = 'p"ss wörd@/'
    script = (
        "import logging, logs; from settings import settings; logs.configure(settings());"
        f" logging.error('connecting to %s', {spelled!r})"
    )
    for form in ("text", "json"):
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=environment(BROKER_URL=f"redis://:{spelled}@127.0.0.1:1", SKYLANE_LOG_FORMAT=form),
            capture_output=True,
            text=True,
            check=True,
        )
        assert "connecting to …" in done.stderr.replace("\\u2026", "…")


def test_the_password_of_a_key_for_tls_is_one_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"postgresql://me:{DATABASE}@x/none?sslpassword=key-hunter2"
    assert set(Settings(DATABASE_URL=address).passwords) == {DATABASE, "key-hunter2"}
    script = tmp_path / "pg_dump"
    script.write_text('#!/bin/sh\necho "$@" >&2; exit 1\n')
    script.chmod(0o755)
    monkeypatch.setattr(backup, "binary", lambda _: script)
    with pytest.raises(LocalError, match="host=x") as told:
        backup._run("pg_dump", address)
    assert "hunter2" not in str(told.value)


def test_secrets_may_come_as_files(tmp_path: Path) -> None:
    secret = Secret.new().text
    for name, value in (("DATABASE_URL", "host=x"), ("SKYLANE_INITIAL_KEY", secret)):
        (tmp_path / name).write_text(f"{value}\n")
    script = "from settings import settings as s; print(s().database_url, s().initial_key)"

    def told(**variables: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=environment(SKYLANE_SECRETS_DIR=str(tmp_path), **variables),
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    assert told() == f"host=x {secret}"
    assert told(DATABASE_URL="host=y") == f"host=y {secret}"  # the environment goes first


def test_secrets_that_cannot_be_read_end_the_start_in_a_line(tmp_path: Path) -> None:
    typo, latin = tmp_path / "typo", tmp_path / "SKYLANE_INITIAL_KEY"
    latin.write_bytes("schlüssel".encode("latin-1"))
    for folder, told in (
        (typo, f"SKYLANE_SECRETS_DIR={typo} is no directory."),
        (latin, f"SKYLANE_SECRETS_DIR={latin} is no directory."),
        (tmp_path, f"{latin} is no text in UTF-8"),
    ):
        ended = skylane("up", SKYLANE_HOME=str(tmp_path / "home"), SKYLANE_SECRETS_DIR=str(folder))
        assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1), ended.stderr
        assert told in ended.stderr
    assert not (tmp_path / "home").exists()
