"""Requests made from the OpenAPI document, sound and unsound, by schemathesis.

Of each answer it checks that it is no server's error, that status, media type, headers and body are
as documented, that what is sound is accepted and what is not is refused, that no other method is
answered, and that what was deleted is gone. Its stateful phase goes from an upload to what is told
of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.s3 import BUCKET, s3_server
from tests.api.test_report import REPORT
from tests.stack import Stack

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# A stream of events ends when its predictions do, which for ids that nobody has is after five
# minutes; tests/fuzz/test_wire.py and tests/api/test_events.py ask this route.
LEFT_OUT = "/events"
ANSWER_WITHIN_S = 60


@dataclass(frozen=True)
class Documented:
    """How a run ended: whether all was well, what was sent, and the lines that tell of it."""

    ok: bool
    sent: int
    operations: int
    lines: str


@contextmanager
def whole_stack(folder: Path) -> Iterator[Stack]:
    """Run a stack that has every route, with S3 for its images."""
    (folder / "s3").mkdir()
    with s3_server(folder / "s3") as endpoint:
        settings = {
            "SKYLANE_IMAGES_URL": f"s3://{BUCKET}/images",
            "SKYLANE_S3_ENDPOINT_URL": endpoint,
        }
        with Stack(folder / "home", **settings) as stack:
            report_on(stack)
            yield stack


def report_on(stack: Stack) -> None:
    """Give the stack a report, which is served as soon as it is there."""
    (stack.home / "report.json").write_text(json.dumps(REPORT))


def ask(url: str, *, seed: int, examples: int, folder: Path, phases: str = "") -> Documented:
    """Send up to ``examples`` requests of each kind to every route; ``folder`` is for its files."""
    told = folder / "schemathesis.json"
    command = [str(Path(sys.executable).with_name("schemathesis"))]
    command += ["--config-file", str(HERE / "schemathesis.toml"), "run"]
    command += [f"{url}/openapi/openapi.json", "--checks=all", f"--exclude-path={LEFT_OUT}"]
    command += [f"--seed={seed}", f"--max-examples={examples}", "--continue-on-failure"]
    command += [f"--request-timeout={ANSWER_WITHIN_S}", "--no-color", "--warnings=off"]
    command += ["--report=json", f"--report-json-path={told}"]
    command += [f"--phases={phases}"] if phases else []
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    report: dict[str, Any] = json.loads(told.read_text()) if told.exists() else {}
    return Documented(
        ok=done.returncode == 0,
        sent=report.get("test_cases", {}).get("generated", 0),
        operations=report.get("operations", {}).get("tested", 0),
        lines=done.stdout.decode(errors="replace"),
    )
