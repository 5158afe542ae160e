"""What the import contract in pyproject.toml cannot say."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {
    *("api", "batching", "bench", "cli", "lambda_adapters", "local", "logs", "model", "settings"),
    *("store", "tasks", "tracing"),
}


@pytest.mark.parametrize(
    ("module", "may_import"),
    [
        ("settings.py", set()),
        ("batching.py", set()),
        ("logs.py", {"settings"}),
        ("tracing.py", {"settings"}),
    ],
)
def test_the_lowest_modules_import_none_of_ours(module: str, may_import: set[str]) -> None:
    tree = ast.parse((ROOT / module).read_text())
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    imported |= {
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
    }
    assert {name.split(".")[0] for name in imported} & OURS <= may_import


def test_the_api_process_loads_no_model_and_nothing_to_run_one() -> None:
    script = "import api, sys; api.create_app(); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"numpy", "openvino", "torch", "torchvision", "PIL", "model.predictor", "boto3"}
    assert not heavy & set(loaded)


def test_a_worker_loads_no_converter_and_no_telemetry() -> None:
    script = "import tasks.worker, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "openvino" in loaded
    assert not {"openvino.tools.ovc", "openvino_telemetry", "torch"} & set(loaded)
