"""The same single uploads to a naive server and to the pipeline, in turn, in one run.

    python -m bench.baselines

Two naive servers: Flask's own, a thread for each connection, and gunicorn with one process
that takes one request at a time. Both stores commit durably, and both clients wait for the
prediction.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from bench.client import Request, multipart, send_all
from bench.raw import TILES
from bench.stack import START_LIMIT_S, running_stack
from bench.uploads import SINGLE_CONNECTIONS, at_least_one
from local.interrupts import interruptible
from local.ports import free_ports
from local.stack import embedded
from model.images import TILE_PX
from settings import Settings

NAIVE_IMAGES, PIPELINE_IMAGES = 300, 2_000  # in each round
WARM_UP = 100
STOP_LIMIT_S = 20


@interruptible()
def main() -> None:
    """Run the benchmark and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=at_least_one, default=3)
    parser.add_argument("--naive-images", type=at_least_one, default=NAIVE_IMAGES)
    parser.add_argument("--images", type=at_least_one, default=PIPELINE_IMAGES)
    parser.add_argument("--side-px", type=at_least_one, default=TILE_PX, help="of naive squares")
    parser.add_argument("--warm-up", type=at_least_one, default=WARM_UP, help="images before")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    chosen = parser.parse_args()

    tiles = [(path.name, path.read_bytes()) for path in sorted(TILES.glob("*/*.jpg"))]
    requests = [
        multipart("/upload", "file", [tiles[number % len(tiles)]])
        for number in range(max(chosen.images, chosen.naive_images, chosen.warm_up))
    ]
    with ExitStack() as running:
        home = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="skylane-naive-")))
        database_url, _ = running.enter_context(embedded(Settings(home=home / "home")))
        pipeline = running.enter_context(running_stack())
        rates: dict[str, list[float]] = {"flask": [], "gunicorn": [], "pipeline": []}
        send_all(pipeline.url, requests[: chosen.warm_up], SINGLE_CONNECTIONS)
        for _ in range(chosen.rounds):
            for server in ("flask", "gunicorn"):
                with naive_server(server, database_url, chosen.side_px) as url:
                    _rate(url, requests[: chosen.warm_up])
                    rates[server].append(_rate(url, requests[: chosen.naive_images]))
            rates["pipeline"].append(_rate(pipeline.url, requests[: chosen.images]))
    if chosen.json:
        chosen.json.write_text(json.dumps({"images_per_s": rates}, indent=2) + "\n")
    for server, per_s in rates.items():
        print(f"{server}: " + ", ".join(f"{rate:.1f}" for rate in per_s) + " images/s")
    for server in ("flask", "gunicorn"):
        ratios = [
            ours / theirs for ours, theirs in zip(rates["pipeline"], rates[server], strict=True)
        ]
        print(f"the pipeline against {server}: {statistics.median(ratios):.1f} times")


@contextmanager
def naive_server(server: str, database_url: str, side_px: int) -> Iterator[str]:
    """Run the naive app by ``flask`` or ``gunicorn``; give its address."""
    [port] = free_ports(1)
    command = {
        "flask": ["bench.baselines.naive", f"--port={port}", f"--side-px={side_px}"],
        "gunicorn": [
            *("gunicorn", f"bench.baselines.naive:create_app({side_px})"),
            *(f"--bind=127.0.0.1:{port}", "--workers=1", "--timeout=120", "--no-control-socket"),
        ],
    }[server]
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        env=os.environ | {"DATABASE_URL": database_url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + START_LIMIT_S
        while not _listens(process.pid, port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no naive server: {command}")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(STOP_LIMIT_S)


def _listens(pid: int, port: int) -> bool:
    """Whether the process, or one of its children, takes connections at ``port``."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children()]
        return any(
            one.laddr.port == port and one.status == psutil.CONN_LISTEN
            for member in family
            for one in member.net_connections("tcp")
        )
    except psutil.Error:
        return False


def _rate(url: str, requests: Sequence[Request]) -> float:
    """Return the images/s of single uploads that are all answered with a prediction."""
    answers, seconds = send_all(url, requests, SINGLE_CONNECTIONS)
    for answer in answers:
        if answer.status != 200 or not answer.body.get("predicted_label"):
            raise RuntimeError(f"HTTP {answer.status}: {answer.body}")
    return len(answers) / seconds


if __name__ == "__main__":
    main()
