"""`skylane up`, and so `./run`: it starts, survives, stops, and finds its data again."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from local.errors import LocalError
from local.ports import free_ports, require_free
from tests.cli.command import skylane
from tests.stack import WORKER, Stack, until

QUICK = {"SKYLANE_STALE_AFTER_S": "2", "SKYLANE_SWEEP_EVERY_S": "0.5"}


def upload(stack: Stack, tiles: list[Path], wait: int = 30) -> list[dict[str, Any]]:
    answer = requests.post(
        f"{stack.url}/upload_batch?wait={wait}",
        files=[("files", (path.name, path.read_bytes())) for path in tiles],
        timeout=60,
    )
    assert answer.status_code in (200, 202), answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def statuses(stack: Stack) -> dict[str, int]:
    found: dict[str, int] = requests.get(f"{stack.url}/stats", timeout=9).json()[
        "status_distribution"
    ]
    return found


def test_ctrl_c_leaves_no_process_and_the_next_start_finds_the_results(
    tmp_path: Path, tiles: list[Path]
) -> None:
    stack = Stack(tmp_path / "a home with spaces")
    with stack:
        before = upload(stack, tiles)
        children = psutil.Process(stack.process.pid).children(recursive=True)  # type: ignore[union-attr]
        assert len(children) >= 6
        assert stack.stop(signal.SIGINT) == 0
        assert [child for child in children if child.is_running()] == []
    with stack:
        for row in before:
            again = requests.get(f"{stack.url}/results/{row['request_id']}", timeout=9).json()
            assert again["predicted_label"] == row["predicted_label"]
            image = requests.get(f"{stack.url}/images/{row['request_id']}", timeout=9)
            assert image.ok
        assert stack.stop(signal.SIGTERM) == 0


def test_a_model_that_is_none_is_told_before_anything_starts(tmp_path: Path) -> None:
    text = tmp_path / "model.zip"
    text.write_text("not a model")
    ended = skylane("up", SKYLANE_HOME=str(tmp_path / "home"), SKYLANE_ARTEFACT=str(text))
    assert ended.returncode == 1
    assert "model.zip is not a model artefact" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run everything, with a sweep that is soon there."""
    with Stack(tmp_path_factory.mktemp("quick") / "home", **QUICK) as running:
        yield running


def test_a_killed_worker_loses_no_image(quick: Stack, tiles: list[Path]) -> None:
    done = statuses(quick).get("done", 0)
    for _ in range(5):
        upload(quick, tiles * 4, wait=0)
    until(lambda: statuses(quick).get("running"))
    for pid in quick.pids(WORKER):
        os.kill(pid, signal.SIGKILL)
    assert statuses(quick)["running"]  # so it had some in hand
    upload(quick, tiles, wait=0)
    until(lambda: statuses(quick) == {"done": done + 1050}, limit_s=60)


def test_a_broker_that_hangs_holds_up_no_upload(quick: Stack, tiles: list[Path]) -> None:
    done = statuses(quick).get("done", 0)
    with quick.frozen("valkey"):
        for _ in range(3):
            answer = requests.post(
                f"{quick.url}/upload?wait=0",
                files={"file": tiles[0].open("rb")},
                timeout=5,
            )
            assert answer.status_code == 202
    until(lambda: statuses(quick) == {"done": done + 3}, limit_s=60)


def test_a_broker_that_forgets_everything_loses_no_image(quick: Stack, tiles: list[Path]) -> None:
    import redis

    done = statuses(quick).get("done", 0)
    with quick.frozen(WORKER):
        upload(quick, tiles, wait=0)
        [server] = {
            variable
            for pid in quick.pids(WORKER)
            if (variable := psutil.Process(pid).environ().get("BROKER_URL"))
        }
        client = redis.Redis.from_url(server.replace("redis+socket://", "unix://"))
        client.flushall()
    until(lambda: statuses(quick) == {"done": done + 50}, limit_s=60)


def test_a_killed_api_or_sweep_comes_back(quick: Stack, tiles: list[Path]) -> None:
    for part in ("api:create_app", "tasks.sweep"):
        before = quick.pids(part)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        until(lambda part=part, before=before: set(quick.pids(part)) - set(before))
    until(lambda: _ready(quick))
    assert {row["status"] for row in upload(quick, tiles)} == {"done"}


def test_flower_shows_the_worker_and_what_it_has_done(stack: Stack, tiles: list[Path]) -> None:
    def workers() -> Any:
        page = requests.get(f"{stack.flower_url}/workers?json=1", timeout=9)
        return page.ok and [one for one in page.json()["data"] if one["status"]]

    assert until(workers, limit_s=30)
    upload(stack, tiles)  # of which the worker tells twice a second, and not task by task
    assert until(lambda: sum(one.get("task-succeeded", 0) for one in workers()), limit_s=30)


def test_a_port_in_use_is_named_with_the_setting_that_changes_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        stack = Stack(tmp_path / "home", SKYLANE_API_PORT=port)
        with pytest.raises(AssertionError, match=f"(?s){port}.*SKYLANE_API_PORT"):
            stack.start()
        assert stack.process
        assert stack.process.returncode not in (0, None)


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("192.0.2.1", "SKYLANE_HOST=192.0.2.1: cannot listen there: Cannot assign"),
        ("nonsense.invalid", "SKYLANE_HOST=nonsense.invalid: cannot listen there"),
        ("[::1]", r"SKYLANE_HOST=\[::1\].*without brackets"),
        ("a..b", "SKYLANE_HOST=a..b: cannot listen there"),
    ],
)
def test_an_address_that_is_not_ours_is_told_at_once(host: str, told: str) -> None:
    [port] = free_ports(1)
    with pytest.raises(LocalError, match=told) as caught:
        require_free(api_port=(host, port))
    assert "PORT" not in str(caught.value)
    with pytest.raises(LocalError, match="SKYLANE_METRICS_HOST="):
        require_free(metrics_port=(host, port))


def test_two_on_one_home_is_one_too_many(stack: Stack) -> None:
    second = Stack(stack.home)
    with pytest.raises(AssertionError, match="already runs"):
        second.start()
    assert second.process
    assert second.process.returncode not in (0, None)
    assert _ready(stack)


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="SKYLANE_BATCH_SIZE"):
        Stack(tmp_path / "home", SKYLANE_BATCH_SIZE="many").start()


def test_servers_of_ones_own_are_used(
    tmp_path: Path, database_url: str, broker_url: str, tile: bytes
) -> None:
    own = {
        "DATABASE_URL": database_url,
        "BROKER_URL": broker_url,
        "SKYLANE_IMAGES_URL": (tmp_path / "pictures").as_uri(),
    }
    with Stack(tmp_path / "home", **own) as stack:
        assert stack.pids("postgres") == stack.pids("valkey") == []
        answer = requests.post(f"{stack.url}/upload", files={"file": ("a", tile)}, timeout=30)
        assert answer.json()["status"] == "done"
    assert [path for path in (tmp_path / "pictures").rglob("*") if path.is_file()]


def _ready(stack: Stack) -> bool:
    try:
        return requests.get(f"{stack.url}/ready", timeout=5).ok
    except requests.RequestException:
        return False
