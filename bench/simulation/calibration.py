"""Makes the on-prem lane's service times of runs at several loads, the lowest first.

The lowest load says what an image takes that meets no other: the samples are its own. At higher
loads there are larger batches, but whoever is measured there waits for cores as well, and the
larger a batch is, the longer it has waited: by the clock, its time says nothing. By CPU time it
does. Over the runs, a part's CPU time for an image is taken to be

    each image's + each batch's · batches for an image + each second's · seconds for an image

and the three are fitted, none below 0. The last is what the programs take when they idle; it is
small, and left out of the simulation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from bench.simulation.runs import Requests, read_run
from bench.simulation.service_times import (
    MS_PER_S,
    BadServiceTimes,
    BatchTime,
    ServiceTimes,
)

STAGES = ("fetch_ms", "decode_ms", "infer_ms", "record_ms")

Cpu = Mapping[str, float]


def service_times_of(paths: Sequence[Path], cpu_ms: Sequence[Cpu]) -> ServiceTimes:
    """Make service times of runs' ``requests.csv``, and of the CPU time that each of them took.

    ``cpu_ms``: for each run, the CPU time of each part for an image, in ms, by the names of
    `bench.stack.PARTS`, and ``client`` where that is on the same machine. Three runs or more are
    best: of two, what idles counts as work.

    Raises:
        BadRun: a run cannot be read.
        BadServiceTimes: the runs have too little in them.
    """
    if not paths or len(paths) != len(cpu_ms):
        raise BadServiceTimes(f"{len(paths)} runs, but CPU times of {len(cpu_ms)}")
    runs = [read_run(path) for path in paths]
    if not all(len(run.done) for run in runs):
        raise BadServiceTimes("each run is to have images that are done")
    alone = runs[0].done[runs[0].done["batch_size"] == 1]
    if not len(alone):
        raise BadServiceTimes("the lowest load has no image that was worked on by itself")
    batches = [_batches(run) for run in runs]
    worker_ms, worker_batch_ms = _fitted(runs, batches, [one.get("worker", 0.0) for one in cpu_ms])
    api_ms, _ = _fitted(runs, batches, [one.get("api", 0.0) for one in cpu_ms])
    total_ms, total_batch_ms = _fitted(runs, batches, [sum(one.values()) for one in cpu_ms])

    accept_ms = np.maximum(0, alone["accepted_s"] - alone["sent_s"]) * MS_PER_S
    single_ms = np.maximum(alone["latency_ms"] - alone["queue_ms"], 0.001)
    # Until it is recorded, a batch is on a core of the worker's; the rest is PostgreSQL's.
    on_core_ms = float(np.median(alone["fetch_ms"] + alone["decode_ms"] + alone["infer_ms"]))
    base_ms = min(worker_batch_ms, on_core_ms)
    image_ms = max(0.0, float(np.median(single_ms)) - base_ms)
    # What is left of the worker's is its interpreter's: messages in and out, and events.
    message_ms = max(0.0, worker_ms + worker_batch_ms - on_core_ms)
    seen_ms = api_ms + message_ms + image_ms
    times = [BatchTime(images=1, ms=float(ms)) for ms in single_ms]
    sizes = {one for run in batches[1:] for one in run if one > 1}
    times += [BatchTime(images=one, ms=base_ms + image_ms * one) for one in sorted(sizes)]
    return ServiceTimes(
        accept_ms=list(accept_ms),
        hand_over_ms=list(alone["queue_ms"]),
        api_process_ms=api_ms,
        worker_ms=message_ms,
        other_ms=max(0.0, total_ms - seen_ms),
        other_batch_ms=max(0.0, total_batch_ms - base_ms),
        batches=times,
    )


def _fitted(
    runs: list[Requests], batches: list[list[int]], cpu_ms: list[float]
) -> tuple[float, float]:
    """Return what each image and each batch takes, by these CPU times for an image."""
    images = np.array([len(run.done) for run in runs], dtype=np.float64)
    seconds = np.array([max(np.ptp(run.scheduled_s), 1.0) for run in runs])
    columns = [np.ones(len(runs)), np.array([len(one) for one in batches]) / images]
    if len(runs) > 2:
        columns.append(seconds / images)
    found, _ = nnls(np.column_stack(columns[: len(runs)]), np.array(cpu_ms))
    return float(found[0]), float(found[1]) if len(found) > 1 else 0.0


def _batches(run: Requests) -> list[int]:
    """Return each batch's images. Those of a batch have its stages' times, and its worker."""
    done = run.done
    keys: NDArray[np.str_] = np.stack([done[one].astype(str) for one in ("worker", *STAGES)])
    _, first = np.unique(keys, axis=1, return_index=True)
    return [max(1, int(one)) for one in done["batch_size"][first]]
