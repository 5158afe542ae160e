"""What the command is given is checked, and all that it supposes is printed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cost.assumptions import Assumptions, assumptions
from bench.cost.measured import BadMeasurement, read_measured
from settings import ROOT
from tests.bench.cost.figures import MEASURED, SMALL


def test_measurements_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    path.write_text(json.dumps(MEASURED.model_dump() | {"infer_images": [1]}))
    with pytest.raises(BadMeasurement, match="2 infer_ms, but 1 infer_images"):
        read_measured(path)


def test_assumptions_can_be_set_and_are_checked() -> None:
    assert assumptions(["hosts_min=3", "host=m7i.large"]) == Assumptions(
        hosts_min=3, host="m7i.large"
    )
    with pytest.raises(ValueError, match="no assumption 'hosts'"):
        assumptions(["hosts=3"])
    with pytest.raises(ValueError, match="hosts_min"):
        assumptions(["hosts_min=many"])


def test_the_command_prints_bills_assumptions_and_what_is_unchecked(tmp_path: Path) -> None:
    (tmp_path / "measured.json").write_text(SMALL.model_dump_json())
    command = [sys.executable, "-m", "bench.cost", "--measured", str(tmp_path / "measured.json")]
    command += ["--loads", "1", "100", "--resamples", "20", "--json", str(tmp_path / "cost.json")]
    shown = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert "CloudWatch: alarms (!)" in shown
    assert "(!): this price is from memory" in shown
    assert "on-prem is the cheaper lane from" in shown
    assert all(name in shown for name, _, _ in Assumptions().told())
    figures = json.loads((tmp_path / "cost.json").read_text())
    assert {(one["lane"], one["images_per_s"]) for one in figures["costs"]} == {
        (lane, load) for lane in ("serverless", "on-prem") for load in (1.0, 100.0)
    }
