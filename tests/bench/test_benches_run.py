"""Every benchmark runs to its end and writes its figures: as small as it can be, so that none rots.

Those tested elsewhere are not here: load, comparison, starts and report (test_comparison.py), the
page (test_page.py), containers (`python -m bench.containers` needs Docker).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import overload
from settings import ROOT


def run(module: str, *arguments: str, may_miss: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a benchmark as its document says; ``may_miss`` its bound, as small as it is here."""
    command = [sys.executable, "-m", f"bench.{module}", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode in (0, 1 if may_miss else 0), done.stdout + done.stderr
    return done


def figures(module: str, folder: Path, *arguments: str) -> Any:
    """Run a benchmark and return the figures that it wrote."""
    path = folder / "figures.json"
    run(module, *arguments, f"--json={path}")
    return json.loads(path.read_text())


def test_uploads(tmp_path: Path) -> None:
    found = figures("uploads", tmp_path, "--images=100", "--rounds=1", "--idle=3")
    assert [one["kind"] for one in found["rounds"]] == ["batches", "singles"]
    assert all(0 < one["ratio"] < 2 for one in found["rounds"])
    assert found["idle"]["latency_ms"]["p50"] > found["idle"]["infer_ms"]["p50"] > 0


def test_growth(tmp_path: Path) -> None:
    found = figures("growth", tmp_path, "--sizes", "100", "--rows=1000", "--after=100")
    assert list(found) == ["100 images", "100 images beside 1,000 rows"]
    assert all(parts[0]["images_per_s"] > 0 for parts in found.values())


def test_overload(tmp_path: Path) -> None:
    few = ("--seconds=3", "--capacity-seconds=1", "--max-queued=20")
    path = tmp_path / "figures.json"
    done = run("overload", *few, f"--json={path}", may_miss=True)
    found = json.loads(path.read_text())
    missed = overload.amiss(found)
    assert (done.returncode, done.stderr.strip()) == (bool(missed), "\n".join(missed))
    assert found["bound_ms"] == pytest.approx(1500 * 20 / found["capacity_per_s"])
    assert found["capacity_per_s"] > 0
    assert 0 < found["refused_share"] < 1
    # Whoever was let in is done, and whoever was not was told why.
    assert set(found["codes"]) == {"overloaded"}
    assert sum(found["outcomes"].values()) == found["images"]
    assert found["outcomes"]["done"] + found["outcomes"]["refused"] == found["images"]
    assert found["memory_mb"]["api"]["most"] > 0
    late_ms = found["bound_ms"] + 1
    for late in ({"p99": late_ms, "worst": late_ms}, {"p99": None, "worst": late_ms}):
        assert "missed: p99" in overload.amiss(found | {"admitted_ms": late})[0]
    assert overload.amiss(found | {"admitted_ms": {"p99": None, "worst": None}})
    flat = {"api": {"grew": overload.GROWS_MOST_MB}}
    kept = found | {"admitted_ms": {"p99": late_ms - 1, "worst": late_ms}, "memory_mb": flat}
    assert overload.amiss(kept) == []
    assert overload.amiss(kept | {"outcomes": found["outcomes"] | {"lost": 1}})
    grown = {"api": {"grew": overload.GROWS_MOST_MB + 0.1}}
    assert "missed: the API grew" in overload.amiss(kept | {"memory_mb": grown})[0]


def test_baselines(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="pip install -r requirements/train.txt")
    few = ("--rounds=1", "--naive-images=8", "--images=32", "--warm-up=4")
    rates = figures("baselines", tmp_path, *few)["images_per_s"]
    assert set(rates) == {"flask", "gunicorn", "pipeline"}
    assert rates["pipeline"][0] > rates["flask"][0] > 0


def test_model(tmp_path: Path) -> None:
    found = figures("model", tmp_path, "--starts=5", "--rounds=1", "--round-s=1")
    assert 0 < found["start"]["cache"]["median_s"] < found["start"]["no cache"]["median_s"]
    assert found["decode_ms"]["median"] > 0
    assert found["throughput"]["median_ratio"] > 0


def test_lambdas(tmp_path: Path) -> None:
    found = figures("lambdas", tmp_path, "--memory-mb=1769", "--starts=1", "--warm=8")
    functions = found["by_memory_mb"]["1769"]
    assert functions["infer"]["init_ms"]["median"] > functions["infer"]["warm_ms"]["p50"] > 0
    assert functions["api"]["upload_ms"]["p50"] > functions["api"]["health_ms"]["p50"] > 0


def test_stats() -> None:
    lines = run("stats", "--rows=1000").stdout.splitlines()
    assert len([line for line in lines if "1,000 rows" in line and "p99" in line]) == 10


def test_training() -> None:
    pytest.importorskip("torch", reason="pip install -r requirements/train.txt")
    small = ("--arch=resnet18", "--side-px=32", "--batch=2", "--rounds=1")
    assert json.loads(run("training", *small).stdout)["median_ratio"] > 0
