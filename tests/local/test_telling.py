"""What a running Skylane tells: figures for Prometheus, and a line for each thing done."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from api.metrics import QUEUE_NAMES
from local.ports import free_ports
from tasks import measures
from tests.stack import WORKER, Stack, until

POISON = b"\xff\xd8\xff\xe0 no more than a beginning"


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, str]]:
    """Run everything with JSON lines, two API processes and a worker that is asked too."""
    [port] = free_ports(1)
    folder = tmp_path_factory.mktemp("telling")
    with Stack(
        folder / "home",
        TMPDIR=str(folder),
        SKYLANE_LOG_FORMAT="json",
        SKYLANE_LOG_LEVEL="INFO",
        SKYLANE_API_PROCESSES="2",
        SKYLANE_METRICS_PORT=str(port),
    ) as stack:
        yield stack, f"http://127.0.0.1:{port}"


def figures(url: str) -> dict[tuple[str, ...], float]:
    """Return every sample, by its name and its labels' values."""
    answer = requests.get(f"{url}/metrics", timeout=9)
    assert answer.ok
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def lines(stack: Stack) -> list[dict[str, Any]]:
    """Return the JSON objects of the log; the supervisor puts the program's name before them."""
    found = []
    for line in stack.log.read_text().splitlines():
        _, brace, rest = line.partition("{")
        if brace:
            found.append(json.loads(brace + rest))
    return found


def test_the_figures_are_those_of_what_was_done(
    telling: tuple[Stack, str], tiles: list[Path]
) -> None:
    stack, worker_url = telling
    before = figures(worker_url)
    # From many connections, so that both processes of the API answer some.
    for path in tiles[:20]:
        answer = requests.post(
            f"{stack.url}/upload?wait=30",
            data=path.read_bytes(),
            headers={"Content-Type": "image/jpeg"},
            timeout=60,
        )
        assert answer.status_code == 200
    answer = requests.post(
        f"{stack.url}/upload?wait=30",
        data=POISON,
        headers={"Content-Type": "image/jpeg"},
        timeout=60,
    )
    assert answer.status_code == 422

    api = figures(stack.url)
    assert api["skylane_images_accepted_total",] == 21
    assert api["skylane_http_requests_total", "POST", "/upload", "200"] == 20
    assert api["skylane_http_requests_total", "POST", "/upload", "422"] == 1
    assert api["skylane_http_request_seconds_count", "POST", "/upload"] == 21
    assert api["skylane_component_up", "database"] == api["skylane_component_up", "broker"] == 1
    assert (api["skylane_workers_live",], api["skylane_images_pending",]) == (1, 0)
    assert set(QUEUE_NAMES) <= {name for name, *_ in api}

    until(lambda: figures(worker_url)[measures.ATTEMPTS,] - before[measures.ATTEMPTS,] == 21)
    worker = figures(worker_url)
    assert worker[measures.DONE,] - before[measures.DONE,] == 20
    assert worker[measures.FAILED, answer.json()["code"]] == 1
    assert worker[measures.ATTEMPTS,] == 21
    assert worker[f"{measures.QUEUE}_count",] == worker[f"{measures.BATCH}_sum",] == 21
    for stage in measures.STAGES:
        assert worker[f"{stage}_count",] == worker[f"{measures.BATCH}_count",]
        assert worker[f"{stage}_sum",] > 0
    assert worker["skylane_worker_busy_streams",] == 0 < worker["skylane_worker_streams",]


def test_nobody_can_make_up_a_series(telling: tuple[Stack, str]) -> None:
    stack, _ = telling
    for number in range(5):
        requests.request(f"MADEUP{number}", f"{stack.url}/stats", timeout=9)
        requests.get(f"{stack.url}/made-up/{number}", timeout=9)
    assert not [series for series in figures(stack.url) if "MADE" in str(series).upper()]


def test_a_queue_that_nobody_works_on_is_seen_to_grow_old(
    telling: tuple[Stack, str], tile: bytes
) -> None:
    stack, _ = telling
    with stack.frozen(WORKER):
        for _ in range(3):
            requests.post(
                f"{stack.url}/upload?wait=0",
                data=tile,
                headers={"Content-Type": "image/jpeg"},
                timeout=60,
            )
        waiting = until(
            lambda: (now := figures(stack.url))["skylane_queue_age_seconds",] > 1 and now
        )
        assert waiting["skylane_images_pending",] + waiting["skylane_images_running",] == 3
    until(lambda: figures(stack.url)["skylane_queue_age_seconds",] == 0)


def test_a_request_and_its_task_have_a_line_each_with_the_images_id(
    telling: tuple[Stack, str], tile: bytes
) -> None:
    stack, _ = telling
    answer = requests.post(
        f"{stack.url}/upload?wait=30", data=tile, headers={"Content-Type": "image/jpeg"}, timeout=60
    ).json()

    def named() -> list[dict[str, Any]]:
        return [
            line for line in lines(stack) if answer["request_id"] in line.get("request_ids", ())
        ]

    until(lambda: len(named()) >= 2)  # the worker says so after it has answered
    by_logger = {line["logger"]: line for line in named()}
    assert len(named()) == 2
    assert by_logger["api.access"]["status"] == 200
    assert answer["predicted_label"] in by_logger["tasks.celery_app"]["message"]
    assert all(line["took_ms"] > 0 for line in named())


def test_no_line_has_a_password_or_an_image_in_it(telling: tuple[Stack, str], tile: bytes) -> None:
    stack, _ = telling
    unseen = "only-the-client-knows"
    requests.post(
        f"{stack.url}/upload",
        data=tile,
        timeout=60,
        headers={"Content-Type": "image/jpeg", "Authorization": unseen},
    )
    text = stack.log.read_text()
    assert unseen not in text
    assert "postgresql://" not in text
    assert max(map(len, text.splitlines())) < 2000


def test_the_counts_files_go_with_the_api(telling: tuple[Stack, str]) -> None:
    stack, _ = telling
    folder = Path(stack.environment["TMPDIR"])
    assert len(list(folder.glob("skylane-metrics-*/*.db"))) >= 2
    assert stack.stop(signal.SIGINT) == 0
    assert not list(folder.glob("skylane-metrics-*"))
    stack.start()
