"""Log lines that a machine can read, whatever is in them."""

from __future__ import annotations

import json
import logging
from datetime import datetime

import pytest

import logs
from settings import Settings


@pytest.fixture(autouse=True)
def _as_before() -> object:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_json_line_is_one_object_with_what_the_caller_gave(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure(Settings(log_format="json", log_level="INFO"))
    logging.getLogger("a.b").info("two\nlines %s", "“x”", extra={"request_ids": ["1"]})
    [line] = logged(capsys)
    assert line["message"] == "two\nlines “x”"
    assert (line["level"], line["logger"], line["request_ids"]) == ("INFO", "a.b", ["1"])
    assert datetime.fromisoformat(str(line["time"])).tzinfo


def test_an_exception_is_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format="json"))
    try:
        raise ValueError("boom")
    except ValueError:
        logging.getLogger("a").exception("failed")
    [line] = logged(capsys)
    assert "ValueError: boom" in str(line["exception"])


def test_below_the_level_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings())
    logging.getLogger("a").info("quiet")
    logging.getLogger("a").warning("loud")
    assert capsys.readouterr().err == "WARNING loud\n"
