"""What the simulation is fed with, and how far it is off."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from bench.simulation.calibration import service_times_of
from bench.simulation.compare import compare
from bench.simulation.runs import BadRun, read_run
from bench.simulation.service_times import (
    BadServiceTimes,
    BatchTime,
    BatchTimes,
)


def test_a_batchs_time_is_drawn_from_those_of_about_its_size() -> None:
    rng = np.random.default_rng(20)
    batches = [
        BatchTime(images=int(n), ms=float((6 + 3 * n) * rng.gamma(50, 1 / 50)))
        for n in rng.integers(1, 33, 2000)
    ]
    times = BatchTimes(batches)
    assert times.base_ms == pytest.approx(6, rel=0.3)
    assert times.image_ms == pytest.approx(3, rel=0.05)
    for n in (1, 10, 32, 64):
        drawn_ms = [times.draw_s(n, rng) * 1000 for _ in range(500)]
        assert np.mean(drawn_ms) == pytest.approx(6 + 3 * n, rel=0.1)


COLUMNS = [
    *("request_id", "image", "scheduled_s", "sent_s", "answered_s", "http_status", "code"),
    *("outcome", "accepted_s", "started_s", "finished_s", "latency_ms", "queue_ms", "fetch_ms"),
    *("decode_ms", "infer_ms", "record_ms", "batch_size", "cold_start", "worker", "lane"),
]


def written(folder: Path, name: str, batches: list[tuple[int, float]]) -> Path:
    """Write a run whose batches have these sizes and times."""
    path = folder / name / "requests.csv"
    path.parent.mkdir()
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        for number, (images, ms) in enumerate(batches):
            at_s = float(number)
            for _ in range(images):
                row: dict[str, object] = {"outcome": "done", "worker": "w", "queue_ms": 6}
                row |= {"scheduled_s": at_s, "sent_s": at_s, "accepted_s": at_s + 0.004}
                stages = {"fetch_ms": 1, "decode_ms": 1, "infer_ms": ms - 3, "record_ms": 1}
                row |= {"batch_size": images, "latency_ms": 6 + ms, "finished_s": at_s + 1}
                writer.writerow(row | stages)
        writer.writerow({"scheduled_s": 1e6, "outcome": "refused"})
    return path


def test_service_times_are_made_of_runs_as_with_a_core_to_each(tmp_path: Path) -> None:
    """At higher loads batches take far longer, because cores are short; their CPU time does not."""
    # Of the worker, 3 ms for a message, 6 for a batch and 2 for each of its images.
    runs = [
        written(tmp_path, "low", [(1, 9.0 + number / 100) for number in range(101)]),
        written(tmp_path, "moderate", [(2, 50.0 + number) for number in range(40)]),
        written(tmp_path, "high", [(n, 300.0 * n + i) for n in (4, 8, 16) for i in range(10)]),
    ]
    per_image = [1, 1 / 2, 30 / 280]  # batches
    cpu_ms = [{"api": 9.0, "worker": 5 + 6 * one, "postgres": 1 + 2 * one} for one in per_image]
    times = service_times_of(runs, cpu_ms)
    assert times.accept_ms == pytest.approx([4.0] * 101)
    assert times.hand_over_ms == pytest.approx([6.0] * 101)
    assert times.worker_ms == pytest.approx(11 - 8.5, rel=0.01)
    assert times.other_batch_ms == pytest.approx(2, rel=0.01)
    # All of it is there: what an image takes by itself, of the whole machine.
    alone_ms = times.api_process_ms + times.worker_ms + 9.5 + times.other_ms + times.other_batch_ms
    assert alone_ms == pytest.approx(9 + 11 + 3, rel=0.01)
    fitted = BatchTimes(times.batches)
    assert float(fitted.mean_ms(16)) == pytest.approx(6 + 3.5 * 16, rel=0.03)
    with pytest.raises(BadServiceTimes, match="images that are done"):
        service_times_of([written(tmp_path, "none", [])], cpu_ms[:1])
    with pytest.raises(BadServiceTimes, match="3 runs, but CPU times of 1"):
        service_times_of(runs, cpu_ms[:1])


def test_a_comparison_finds_what_differs_and_not_what_is_noise() -> None:
    rng = np.random.default_rng(21)
    ours, theirs = rng.gamma(4, 10, 5000), rng.gamma(4, 10, 5000)
    assert all(one.explained for one in compare(ours, theirs, rng))
    for one in compare(ours * 1.5, theirs, rng):
        assert not one.explained
        assert one.ratio.value == pytest.approx(1.5, rel=0.1)
    with pytest.raises(ValueError, match="0 latencies measured are too few"):
        compare(ours, np.array([]), rng)


def test_a_run_is_read_whole_and_its_warm_up_can_be_cut_off(tmp_path: Path) -> None:
    path = written(tmp_path, "run", [(1, 9.0), (1, 19.0), (1, 29.0)])
    run = read_run(path)
    assert np.array_equal(run.total_ms, read_run(path.parent).total_ms)
    assert list(run.latency_ms) == [15.0, 25.0, 35.0]
    assert list(run.after(2).latency_ms) == [35.0]
    for wrong in (tmp_path / "none", path.with_name("run.json"), path.parent / "none.csv"):
        with pytest.raises(BadRun, match=wrong.name):
            read_run(wrong)
