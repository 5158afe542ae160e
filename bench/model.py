"""The served model by itself: start, decoding, and throughput against OpenVINO's own tool.

    python -m bench.model

Start and decoding are on one core. Throughput is on as many as a worker has streams, in
rounds that alternate with `benchmark_app` on the same graph, so that both meet the same noise.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.raw import RAW_BATCH, RAW_S, TILES, measure_raw
from local.interrupts import interruptible
from model.artefact import GRAPH, WEIGHTS, Artefact
from model.images import decode
from settings import ROOT, Settings
from tasks.cpus import streams_of

STARTS, DECODES, ROUNDS, ROUND_S = 7, 40, 5, 5.0
STEP = "first prediction"

FIRST = f"""
import resource, sys
from pathlib import Path
from model.images import decode
from model.serving import open_predictor
path, tile, cache = map(Path, sys.argv[1:])
predictor = open_predictor(path, cache=cache)
predictor.predict(decode(tile.read_bytes(), side_px=predictor.tile_px)[None])
print("{STEP}", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)
"""


@interruptible()
def main() -> None:
    """Run the benchmark and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=STARTS, help="with a cache, and without")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--round-s", type=float, default=ROUND_S)
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    chosen = parser.parse_args()
    artefact = Artefact.open(Settings().artefact)
    figures: dict[str, object] = {"model": artefact.version, "cores": os.cpu_count()}
    with tempfile.TemporaryDirectory() as folder:
        figures["start"] = starts(artefact.path, Path(folder), chosen.starts)
        figures["decode_ms"] = decode_ms(artefact.tile_px)
        figures["throughput"] = throughputs(artefact, Path(folder), chosen.rounds, chosen.round_s)
    print(json.dumps(figures, indent=2))
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n")


def starts(path: Path, folder: Path, often: int) -> dict[str, dict[str, float]]:
    """Time fresh processes on one core from their start to a real tile's prediction.

    Each is measured with an empty cache of compiled models, and with a filled one.
    """
    tile = next(TILES.glob("*/*.jpg"))
    found: dict[str, list[tuple[float, float]]] = {"no cache": [], "cache": []}
    _start(path, tile, folder / "cache")
    for number in range(often):
        found["no cache"].append(_start(path, tile, folder / f"empty{number}"))
        found["cache"].append(_start(path, tile, folder / "cache"))
    return {
        how: {
            "median_s": statistics.median(seconds for seconds, _ in runs),
            "worst_s": max(seconds for seconds, _ in runs),
            "peak_mb": max(megabytes for _, megabytes in runs),
        }
        for how, runs in found.items()
    }


def _start(path: Path, tile: Path, cache: Path) -> tuple[float, float]:
    started = time.perf_counter()
    process = subprocess.Popen(
        ["taskset", "--cpu-list", "0", sys.executable, "-c", FIRST, path, tile, cache],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    line = process.stdout.readline()
    seconds = time.perf_counter() - started
    if process.wait() or not line.startswith(STEP):
        raise RuntimeError("the process ended without a prediction")
    return seconds, int(line.split()[-1]) * 1024 / 1e6


def decode_ms(side_px: int) -> dict[str, float]:
    """Time one core's CPU for bytes to pixels, a tile at a time: the median and the worst round."""
    tiles = [path.read_bytes() for path in TILES.glob("*/*.jpg")]
    rounds = []
    for _ in range(DECODES):
        before = resource.getrusage(resource.RUSAGE_THREAD)
        for data in tiles:
            decode(data, side_px=side_px)
        after = resource.getrusage(resource.RUSAGE_THREAD)
        used_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        rounds.append(used_s / len(tiles) * 1000)
    return {"median": statistics.median(rounds), "worst": max(rounds)}


def throughputs(artefact: Artefact, folder: Path, rounds: int, round_s: float) -> dict[str, object]:
    """Return images/s of batches of 32, ours and benchmark_app's, and the ratio of each round."""
    graph = folder / GRAPH
    for member, data in zip((GRAPH, WEIGHTS), artefact.read(), strict=True):
        (folder / member).write_bytes(data)
    measure_raw(min(RAW_S, round_s))  # warm-up
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(measure_raw(round_s).per_s)
        theirs.append(_benchmark_app(graph, artefact.tile_px, round_s))
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return {
        "ours_per_s": ours,
        "benchmark_app_per_s": theirs,
        "median_ratio": statistics.median(ratios),
    }


def _benchmark_app(graph: Path, side_px: int, round_s: float) -> float:
    streams = str(streams_of(Settings()))
    printed = subprocess.run(
        [
            *(Path(sys.executable).parent / "benchmark_app", "-m", graph),
            *(
                "-data_shape",
                f"[{RAW_BATCH},{side_px},{side_px},3]",
                "-t",
                str(max(1, round(round_s))),
            ),
            *("-hint", "none", "-nstreams", streams, "-nthreads", streams, "-nireq", streams),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = re.search(r"Throughput:\s+([\d.]+) FPS", printed)
    if not found:
        raise RuntimeError(f"benchmark_app printed no throughput:\n{printed}")
    return float(found[1])


if __name__ == "__main__":
    main()
