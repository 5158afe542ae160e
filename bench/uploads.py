"""Upload throughput and idle latency, against the raw predictor's speed in the same run.

    python -m bench.uploads

The machine is shared and noisy, so each round measures the raw predictor right before
and after, and the ratio is what to compare. Where others are at work too, compare the ratio
of processor time instead: it is what would be left if they were not. Every upload is durable
all the way, and counts only when its answer says that it is done.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bench.client import Answer, Request, multipart, send_all
from bench.raw import TILES, measure_raw
from bench.stack import Running, running_stack
from local.interrupts import interruptible

IMAGES = 2_000  # of each kind and round
SINGLE_CONNECTIONS = 64
BATCH_FILES, BATCH_CONNECTIONS = 100, 4
IDLE_UPLOADS, IDLE_PAUSE_S = 300, 0.02


@dataclass
class Round:
    """One measurement: images/s, its ratio to raw, and CPU ms per image by part."""

    kind: str
    images_per_s: float
    raw_per_s: float
    ratio: float
    cpu_ms_per_image: dict[str, float]  # ours, the client's among them
    # Raw's part in the processor's time: what ``ratio`` would be if nobody else were at work.
    cpu_ratio: float


def at_least_one(text: str) -> int:
    """Read a number of things to measure."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is too few: 1 is the least")
    return number


@interruptible()
def main() -> None:
    """Run the benchmark and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=at_least_one, default=IMAGES)
    parser.add_argument("--rounds", type=at_least_one, default=3)
    parser.add_argument("--idle", type=at_least_one, default=IDLE_UPLOADS)
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    chosen = parser.parse_args()

    paths = sorted(TILES.glob("*/*.jpg"))
    tiles = [(path.name, path.read_bytes()) for path in paths]
    singles = [
        multipart("/upload", "file", [tiles[number % len(tiles)]])
        for number in range(chosen.images)
    ]
    batches = [
        multipart(
            "/upload_batch?wait=60",
            "files",
            [tiles[(first + number) % len(tiles)] for number in range(BATCH_FILES)],
        )
        for first in range(0, chosen.images, BATCH_FILES)
    ]
    rounds: list[Round] = []
    with running_stack() as stack:
        send_all(stack.url, batches[:5], BATCH_CONNECTIONS)  # warm-up
        send_all(stack.url, singles[:200], SINGLE_CONNECTIONS)
        for _ in range(chosen.rounds):
            rounds.append(measure("batches", stack, batches, BATCH_CONNECTIONS))
            rounds.append(measure("singles", stack, singles, SINGLE_CONNECTIONS))
        idle = idle_latency(stack, singles[: chosen.idle])
        memory = stack.memory_mb()

    for one in rounds:
        cpu = ", ".join(f"{part} {ms:.2f}" for part, ms in one.cpu_ms_per_image.items() if ms)
        print(
            f"{one.kind}: {one.images_per_s:6.0f} images/s, raw {one.raw_per_s:6.0f},"
            f" ratio {one.ratio:.2f}, of the processor's time {one.cpu_ratio:.2f};"
            f" CPU ms/image: {cpu}"
        )
    for kind in ("batches", "singles"):
        ratio = statistics.median(one.ratio for one in rounds if one.kind == kind)
        cpu_ratio = statistics.median(one.cpu_ratio for one in rounds if one.kind == kind)
        print(
            f"{kind}: median ratio to the raw predictor {ratio:.2f},"
            f" of the processor's time {cpu_ratio:.2f}"
        )
    print("idle, accepted to committed: " + _shown(idle["latency_ms"]))
    for stage in ("queue_ms", "fetch_ms", "decode_ms", "infer_ms", "record_ms"):
        print(f"  {stage:<10} " + _shown(idle[stage]))
    print("idle, client's view: " + _shown(idle["client_ms"]))
    print("resident MB: " + ", ".join(f"{part} {mb:.0f}" for part, mb in memory.items()))
    if chosen.json:
        figures = {"rounds": [asdict(one) for one in rounds], "idle": idle, "memory_mb": memory}
        chosen.json.write_text(json.dumps(figures, indent=2))


def measure(kind: str, stack: Running, requests: list[Request], connections: int) -> Round:
    """Send all requests once, and measure the raw predictor around it."""
    before = measure_raw()
    client_s = time.process_time()
    cpu_before = stack.cpu_s()
    answers, seconds = send_all(stack.url, requests, connections)
    cpu_after = stack.cpu_s()
    client_s = time.process_time() - client_s
    after = measure_raw()
    raw_per_s = (before.per_s + after.per_s) / 2
    raw_cpu_ms = (before.cpu_ms_per_image + after.cpu_ms_per_image) / 2
    images = sum(_done(answer) for answer in answers)
    cpu_ms = {part: (cpu_after[part] - cpu_before[part]) / images * 1000 for part in cpu_before}
    cpu_ms["client"] = client_s / images * 1000
    return Round(
        kind=kind,
        images_per_s=images / seconds,
        raw_per_s=raw_per_s,
        ratio=images / seconds / raw_per_s,
        cpu_ms_per_image=cpu_ms,
        cpu_ratio=raw_cpu_ms / sum(cpu_ms.values()),
    )


def idle_latency(stack: Running, requests: list[Request]) -> dict[str, dict[str, float]]:
    """Send one upload at a time, with pauses; return p50 and p99 by stage, in ms."""
    time.sleep(1)
    answers = []
    for request in requests:
        [answer], _ = send_all(stack.url, [request], 1)
        _done(answer)
        answers.append(answer)
        time.sleep(IDLE_PAUSE_S)
    stages = ("latency_ms", "queue_ms", "fetch_ms", "decode_ms", "infer_ms", "record_ms")
    samples = {stage: [answer.body[stage] for answer in answers] for stage in stages}
    samples["client_ms"] = [answer.took_ms for answer in answers]
    return {
        stage: {"p50": float(np.percentile(ms, 50)), "p99": float(np.percentile(ms, 99))}
        for stage, ms in samples.items()
    }


def _done(answer: Answer) -> int:
    """Return how many images an answer says are done; anything else ends the benchmark."""
    results = answer.body.get("results", [answer.body])
    unfinished = [result for result in results if result.get("status") != "done"]
    if answer.status != 200 or unfinished:
        raise RuntimeError(f"HTTP {answer.status}: {(unfinished or results)[:1]}")
    return len(results)


def _shown(percentiles: dict[str, float]) -> str:
    return ", ".join(f"{name} {ms:.1f} ms" for name, ms in percentiles.items())


if __name__ == "__main__":
    main()
