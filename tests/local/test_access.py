"""A stack that asks for keys: from the first start on, for everything, and refused in seconds."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from pydantic import ValidationError

from api.known_keys import LONGEST_S
from local.access import check_api, check_flower
from local.errors import LocalError
from settings import Settings
from store.database import Database
from store.keys import Keys, Secret
from tests.cli.command import skylane
from tests.stack import Stack, until

EVERYWHERE = "0.0.0.0"  # noqa: S104
PASSWORD = "open-sesame"  # noqa: S105


@pytest.fixture(scope="module")
def initial() -> Secret:
    return Secret.new()


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, initial: Secret) -> Iterator[Stack]:
    """Run everything, asking for keys, with one from the start."""
    home = tmp_path_factory.mktemp("locked") / "home"
    variables = {
        "SKYLANE_ACCESS": "keys",
        "SKYLANE_INITIAL_KEY": initial.text,
        "SKYLANE_FLOWER_BASIC_AUTH": f"operator:{PASSWORD}",
    }
    with Stack(home, SKYLANE_LOG_LEVEL="INFO", SKYLANE_LOG_FORMAT="json", **variables) as running:
        yield running


def keys(stack: Stack, *arguments: str) -> str:
    """Run `skylane keys` as an operator of this stack does, and return what it prints."""
    ended = skylane("keys", *arguments, SKYLANE_HOME=str(stack.home))
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_initial_key_classifies_and_nobody_else_does(
    locked: Stack, initial: Secret, tiles: list[Path]
) -> None:
    told = {"X-API-Key": initial.text}
    # Of a size that is not read before the answer: it comes all the same.
    large = {"file": ("a.jpg", bytes(9_000_000))}
    for _ in range(3):
        assert requests.post(f"{locked.url}/upload", files=large, timeout=30).status_code == 401
    answer = requests.post(
        f"{locked.url}/upload?wait=30",
        files={"file": tiles[0].open("rb")},
        headers=told,
        timeout=60,
    )
    assert (answer.status_code, answer.json()["status"]) == (200, "done")
    request_id = answer.json()["request_id"]
    events = f"{locked.url}/events?request_id={request_id}"
    assert requests.get(events, timeout=9).status_code == 401
    assert "event: end" in requests.get(events, headers=told, timeout=9).text
    assert requests.get(f"{locked.url}/metrics", timeout=9).status_code == 401
    # As Prometheus sends it, from a file of credentials.
    bearer = {"Authorization": f"Bearer {initial.text}"}
    assert "skylane_" in requests.get(f"{locked.url}/metrics", headers=bearer, timeout=9).text


def test_a_key_is_made_used_listed_and_revoked_while_all_runs(
    locked: Stack, tiles: list[Path]
) -> None:
    key = keys(locked, "create", "camera", "--scope", "read").strip()
    told = {"X-API-Key": key}
    assert requests.get(f"{locked.url}/results", headers=told, timeout=9).ok
    listed = keys(locked, "list")
    assert "camera" in listed
    assert key[16:] not in listed
    assert "camera" in keys(locked, "revoke", "camera")
    revoked = time.monotonic()
    url = f"{locked.url}/results"
    until(lambda: requests.get(url, headers=told, timeout=9).status_code == 401)
    assert time.monotonic() - revoked < LONGEST_S


def test_flower_asks_for_the_password_that_nobody_sees_in_its_arguments(locked: Stack) -> None:
    url = f"{locked.flower_url}/api/workers"
    assert requests.get(url, timeout=9).status_code == 401
    assert requests.get(url, auth=("operator", PASSWORD), timeout=9).status_code != 401
    assert locked.pids("flower")
    assert not locked.pids(PASSWORD)


def test_no_program_has_a_secret_that_is_not_its_own(locked: Stack, initial: Secret) -> None:
    assert locked.process
    told = {
        " ".join(child.cmdline()): child.environ()
        for child in psutil.Process(locked.process.pid).children(recursive=True)
    }
    assert len(told) >= 6
    for command, environment in told.items():
        assert initial.text not in environment.values(), command
        assert (PASSWORD in str(environment)) == ("flower" in command), command


def test_the_command_takes_a_key_and_says_when_it_needs_one(
    locked: Stack, initial: Secret, tiles: list[Path]
) -> None:
    own = {"SKYLANE_URL": locked.url}
    refused = skylane("classify", str(tiles[0]), **own)
    assert (refused.returncode, "SKYLANE_API_KEY" in refused.stderr) == (1, True)
    wrong = skylane("classify", str(tiles[0]), SKYLANE_API_KEY="hunter2", **own)
    assert (wrong.returncode, "This is no key" in wrong.stderr) == (1, True)
    assert "hunter2" not in wrong.stderr
    ended = skylane("classify", str(tiles[0]), SKYLANE_API_KEY=initial.text, **own)
    assert ended.returncode == 0, ended.stderr
    assert initial.text not in ended.stdout + ended.stderr


def test_the_log_tells_whose_key_it_was_and_never_the_key(locked: Stack, initial: Secret) -> None:
    url, told = f"{locked.url}/results", {"X-API-Key": initial.text}
    requests.get(url, headers=told, timeout=9)

    def requests_logged() -> list[dict[str, Any]]:
        lines = (line.partition("| ")[2] for line in locked.log.read_text().splitlines())
        parsed = [json.loads(line) for line in lines if line.startswith('{"time')]
        return [one for one in parsed if one.get("path") == "/results" and one.get("key")]

    assert until(requests_logged)[-1]["key"] == "initial"
    assert initial.text[16:] not in locked.log.read_text()


def test_a_public_address_without_a_key_is_refused(
    tmp_path: Path, database_url: str, broker_url: str
) -> None:
    stores = {
        "DATABASE_URL": database_url,
        "BROKER_URL": broker_url,
        "SKYLANE_HOME": str(tmp_path),
        "SKYLANE_HOST": EVERYWHERE,
    }
    for program in ("api", "up"):
        ended = skylane(program, **stores)
        assert ended.returncode == 1, ended.stdout
        assert "skylane keys create NAME" in ended.stderr
        assert "SKYLANE_ACCESS=open" in ended.stderr
        assert "Traceback" not in ended.stderr
    wrong = skylane("up", **stores, SKYLANE_INITIAL_KEY="hunter2")
    assert (wrong.returncode, "SKYLANE_INITIAL_KEY" in wrong.stderr) == (1, True)
    assert "hunter2" not in wrong.stdout + wrong.stderr


def test_one_live_key_is_enough_and_a_revoked_one_is_none(
    database: Database, database_url: str
) -> None:
    public = Settings(host=EVERYWHERE)
    table = Keys(database)
    table.create("camera")
    assert check_api(public, database_url) == ""
    table.revoke("camera")
    with pytest.raises(LocalError, match="keys create"):
        check_api(public, database_url)
    assert "no keys" in check_api(Settings(host=EVERYWHERE, access="open"), database_url)
    assert check_api(Settings(), database_url) == ""
    # Without a database nobody is let in, so there is no harm in starting.
    assert "not known" in check_api(public, "postgresql://nobody@127.0.0.1:1/none")


def test_a_public_flower_wants_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FLOWER_BASIC_AUTH", "FLOWER_AUTH"):
        monkeypatch.delenv(name, raising=False)
    check_flower(Settings())
    with pytest.raises(LocalError, match="SKYLANE_FLOWER_BASIC_AUTH"):
        check_flower(Settings(flower_host=EVERYWHERE))
    with pytest.raises(LocalError, match="SKYLANE_FLOWER_BASIC_AUTH"):
        check_flower(Settings(flower_host=EVERYWHERE, access="keys"))
    check_flower(Settings(flower_host=EVERYWHERE, access="open"))
    check_flower(Settings(flower_host=EVERYWHERE, flower_basic_auth="a:b"))
    monkeypatch.setenv("FLOWER_BASIC_AUTH", "a:b")
    check_flower(Settings(flower_host=EVERYWHERE))


@pytest.mark.parametrize(
    "text", ["user:", ":password", "nopassword", "a:b,", "a:b,c", "a:pässword"]
)
def test_a_login_that_lets_in_nobody_or_anybody_is_none(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Settings(flower_basic_auth="a:b:c,d:e f").flower_basic_auth
    with pytest.raises(ValidationError, match="USER:PASSWORD") as told:
        Settings(flower_basic_auth=text)
    assert text not in str(told.value)
    monkeypatch.setenv("FLOWER_BASIC_AUTH", text)
    with pytest.raises(LocalError, match="USER:PASSWORD"):
        check_flower(Settings())
