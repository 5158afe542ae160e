"""The bench's report is one that the API serves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from api import create_app
from settings import ROOT, Settings


def test_what_the_bench_writes_the_api_serves(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.report", "--starts", "1", "--memory-mb", "1769"]
    subprocess.run([*command, "--out", str(tmp_path / "report.json")], cwd=ROOT, check=True)
    report = create_app(Settings(home=tmp_path)).test_client().get("/report.json").get_json()
    starts = {(one["lane"], one["memory_mb"]): one for one in report["cold_starts"]}
    assert starts.keys() == {("on-prem", None), ("serverless", 1769)}
    for one in starts.values():
        assert 0 < one["warm_ms"]["value"] < one["init_ms"]["value"]
