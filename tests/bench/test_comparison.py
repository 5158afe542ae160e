"""A comparison of both lanes, as small as it can be, and all that is made of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pytest
from click.testing import CliRunner

from api import create_app
from bench.comparison.plan import Plan
from bench.comparison.run import compare
from bench.cpu_quota import CpuQuota
from bench.lane_starts import read_batches, read_starts
from bench.load.files import NoRun, read_runs
from bench.report.found import Found
from bench.report.money import measurements
from bench.report.page import QUICK, write_report
from cli import skylane
from settings import ROOT, Settings

SMALLEST = Plan(
    rates_per_s=(3,),
    load_s=3.0,
    warm_up_s=0.5,
    burst_images=6,
    full_images=160,  # enough for a process to use processor time that the kernel counts
    full_over_s=0.05,
    repetitions=1,
    # As many as there are uploads: however slowly environments start, none is refused for want
    # of one, and the load without retries has no errors.
    api_concurrency=8,
    infer_concurrency=1,
    starts=1,
    warm=2,
    batch_samples=2,
    function_mb=(1769,),
    process_mb=(3008,),
)


@pytest.fixture(scope="module")
def quota() -> bool:
    """Say whether cold starts can be measured, which takes control groups of this user's own."""
    group = CpuQuota.of(1.0)
    if group:
        group.remove()
    return group is not None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a comparison's folder."""
    folder = tmp_path_factory.mktemp("comparison") / "new"
    told: list[str] = []
    compare(SMALLEST, folder, told.append)
    assert sum(", 0 errors" in line for line in told) == 6, told
    return folder


def test_both_lanes_are_put_under_the_same_load(folder: Path) -> None:
    runs = [run for run, _ in read_runs(folder / "runs")]
    by_lane = {
        lane: sorted((run.scenario.name, run.scenario.seed) for run in runs if run.label == lane)
        for lane in ("on-prem", "serverless")
    }
    assert by_lane["on-prem"] == by_lane["serverless"]
    assert [name for name, _ in by_lane["on-prem"]] == ["burst", "full", "load-3"]
    assert {run.lane for run in runs} == {"on-prem", "serverless"}
    assert all(run.outcomes["done"] == run.images for run in runs)


def test_a_burst_into_the_functions_starts_from_nothing(folder: Path) -> None:
    found = Found(folder)
    burst = found.load("serverless", "burst")
    assert burst
    assert burst.runs[0].run.cold_starts > 0
    # Nobody waits for a worker of the on-prem lane.
    standing_by = found.load("on-prem", "burst")
    assert standing_by
    assert standing_by.runs[0].run.cold_starts == 0


def test_what_the_bills_are_made_of_was_all_measured(folder: Path) -> None:
    measured = measurements(Found(folder))
    assert measured
    assert len(measured.infer_ms) > 20
    assert min(measured.infer_ms) > 0
    assert measured.on_prem_images_per_s[0] > 0
    assert measured.database_cpu_ms[0] > 0
    assert measured.log_bytes[0] > 0
    assert len(measured.api_read_ms) == len(measured.answer_bytes) == 50


def test_ten_images_share_a_calls_fixed_part(folder: Path, tmp_path: Path, quota: bool) -> None:
    path = folder / "lane-starts.json"
    if not quota:  # which a comparison wants of starts; they can be had without
        path = tmp_path / "lane-starts.json"
        few = ("--memory-mb=1769", "--starts=1", "--warm=2", "--batch-samples=2", f"--json={path}")
        subprocess.run([sys.executable, "-m", "bench.lane_starts", *few], cwd=ROOT, check=True)
    assert [one.lane for one in read_starts(path)] == ["on-prem", "serverless"]
    batches = read_batches(path)
    assert {one.images for one in batches} == {1, 2, 5, 10}
    one_ms, ten_ms = (min(one.ms for one in batches if one.images == n) for n in (1, 10))
    assert one_ms < ten_ms < 10 * one_ms


def test_the_report_is_one_file_that_shows_every_section(
    folder: Path, tmp_path: Path, quota: bool
) -> None:
    report = write_report(folder, tmp_path, effort=QUICK)
    assert {one.lane for one in report.load} == {"on-prem", "serverless"}
    assert {one.lane for one in report.bursts} == {"on-prem", "serverless"}
    started = {("on-prem", None), ("serverless", 1769)} if quota else set()
    assert {(one.lane, one.memory_mb) for one in report.cold_starts} == started
    assert {one.backend for one in report.cold_start_steps} == (
        {"openvino-int8", "torch-fp32"} if quota else set()
    )
    assert {one.lane for one in report.costs} == {"on-prem", "serverless"}
    assert {one.lane for one in report.simulated} == {"on-prem", "serverless"}
    missing = {row.what for row in report.table if "not measured" in (row.on_prem, row.serverless)}
    assert missing == (set() if quota else {"Cold start, until work can be taken"})
    assert str(report.verdict).startswith("This was a quick comparison")
    # Of so few images there is no percentile beyond the median, and it says so.
    assert all(one.p50_ms and one.p99_ms is None for one in report.load)
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == len(list(tmp_path.glob("*.png"))) == 4 + quota
    assert 'src="http' not in page
    assert 'href="http' not in page
    for row in report.table:
        assert row.what in page


def test_the_page_gets_the_same_report(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cli", "bench", "report", str(folder), "--quick"]
    subprocess.run(
        [*command, "--out", str(tmp_path / "out")],
        cwd=ROOT,
        env=os.environ | {"SKYLANE_HOME": str(tmp_path)},
        check=True,
    )
    served = create_app(Settings(home=tmp_path)).test_client().get("/report.json").get_json()
    assert served == json.loads((tmp_path / "out" / "report.json").read_text())


def test_the_notebook_runs_on_its_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mpl.use("agg")
    monkeypatch.setenv("SKYLANE_RESULTS", str(folder))
    notebook = json.loads((ROOT / "bench" / "report" / "comparison.ipynb").read_text())
    names: dict[str, object] = {}
    for cell in notebook["cells"]:
        assert cell.get("outputs", []) == []  # nobody's figures are kept in it
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)  # noqa: S102
    images = names["images"]
    assert isinstance(images, list)
    runs = [run for run, _ in read_runs(folder / "runs")]
    assert len(images) == sum(run.images - run.warm_up_images for run in runs)


def test_a_folder_that_is_no_comparison_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NoRun, match="is no comparison, or not a whole one"):
        Found(tmp_path)
    with pytest.raises(FileExistsError):
        compare(SMALLEST, folder, print)
    runner = CliRunner()
    result = runner.invoke(skylane, ["bench", "compare", "--out", str(folder)])
    assert result.exit_code == 1
    assert "is there already: a new folder is wanted" in result.output
