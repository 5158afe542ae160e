"""Log lines that a machine can read, whatever is in them."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from typing import Any

import pytest

from store.keys import Secret
from tests.cli.command import environment


def logged(script: str, **variables: str) -> str:
    """Return what a program writes whose logging is configured as ours is.

    A process of its own: configuring closes every handler that there is, pytest's too.
    """
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "import logging, logs; from settings import settings\n"
            f"logs.configure(settings()); log = logging.getLogger('a.b')\n{script}",
        ],
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=True,
    ).stderr


def test_a_json_line_is_one_object_with_what_the_caller_gave() -> None:
    script = r'log.info("two\nlines %s", "“x”", extra={"request_ids": ["1"]})'
    told = logged(script, SKYLANE_LOG_FORMAT="json", SKYLANE_LOG_LEVEL="INFO")
    [line] = told.splitlines()
    found: dict[str, Any] = json.loads(line)
    assert found["message"] == "two\nlines “x”"
    assert (found["level"], found["logger"], found["request_ids"]) == ("INFO", "a.b", ["1"])
    assert datetime.fromisoformat(found["time"]).tzinfo


def test_an_exception_is_in_its_line() -> None:
    script = "try: 1 / 0\nexcept ZeroDivisionError: log.exception('failed')"
    [line] = logged(script, SKYLANE_LOG_FORMAT="json").splitlines()
    assert "ZeroDivisionError: division by zero" in json.loads(line)["exception"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_key_is_in_no_line_wherever_a_client_put_it(form: str) -> None:
    key = Secret.new().text
    script = f"log.warning('/results?x={key}&y=1 %s', '{key[:20]}', extra={{'path': '/{key}'}})"
    told = logged(script, SKYLANE_LOG_FORMAT=form)
    assert "/results?x=…&y=1 …" in (json.loads(told)["message"] if form == "json" else told)
    assert "skl_" not in told


def test_a_client_writes_no_line_of_its_own() -> None:
    script = """
from api import create_app
create_app(settings()).test_client().get("/x%0AERROR forged%0d%1b[2K\u2028more")
try: raise ValueError("here")
except ValueError: log.exception("two\\nlines")
"""
    told = logged(script, SKYLANE_LOG_LEVEL="INFO")
    lines, _, traceback = told.partition("Traceback")
    assert lines.splitlines()[-2:] == [
        r"INFO GET /x\nERROR forged\r\x1b[2K\u2028more 404",
        r"ERROR two\nlines",
    ]
    assert traceback.splitlines()[-1] == "ValueError: here"


def test_below_the_level_nothing_is_said() -> None:
    assert logged("log.info('quiet'); log.warning('loud')") == "WARNING loud\n"
