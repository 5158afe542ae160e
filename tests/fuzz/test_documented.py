"""What the OpenAPI document says is what the API does, whatever it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.fuzz.documented import LEFT_OUT, ask, whole_stack
from tests.stack import Stack

SEED, EXAMPLES = 8, 8  # the whole is `python -m tests.fuzz --api`


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run a stack that has every route."""
    with whole_stack(tmp_path_factory.mktemp("whole")) as stack:
        yield stack


def test_every_route_answers_as_its_document_says(whole: Stack, tmp_path: Path) -> None:
    document = requests.get(f"{whole.url}/openapi/openapi.json", timeout=30).json()
    routes = sum(len(path) for path in document["paths"].values())

    asked = ask(whole.url, seed=SEED, examples=EXAMPLES, folder=tmp_path)

    assert asked.ok, asked.lines[-20_000:]
    assert LEFT_OUT in document["paths"]
    assert asked.operations == routes - 1
    assert asked.sent > 500
