"""What the OpenAPI document says is what the API does, whatever it is asked."""

from __future__ import annotations

from pathlib import Path

import requests

from tests.fuzz.documented import LEFT_OUT, ask, report_on
from tests.stack import Stack

SEED, EXAMPLES = 8, 8  # the whole is `python -m tests.fuzz --api`


def test_every_route_answers_as_its_document_says(s3_stack: Stack, tmp_path: Path) -> None:
    report_on(s3_stack)
    document = requests.get(f"{s3_stack.url}/openapi/openapi.json", timeout=30).json()
    routes = sum(len(path) for path in document["paths"].values())

    asked = ask(s3_stack.url, seed=SEED, examples=EXAMPLES, folder=tmp_path)

    assert asked.ok, asked.lines[-20_000:] + s3_stack.log.read_text()[-5000:]
    assert LEFT_OUT in document["paths"]
    assert asked.operations == routes - 1
    assert asked.sent > 500
