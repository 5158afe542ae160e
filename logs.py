"""Log lines: plain for people, or JSON for whoever collects them.

Extra fields of a record (``log.info("…", extra={"request_ids": […]})``) are members of the
JSON object; the plain form leaves them out.
"""

from __future__ import annotations

import json
import logging
import logging.config
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from settings import Settings

PLAIN = "%(levelname)s %(message)s"  # the supervisor or the container's engine adds the rest
# What ends a line or moves a terminal's cursor, in what clients may have a say in.
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
API_KEY = "skl_[0-9A-Za-z]{12,}"  # or most of one (store/keys.py): clients put them anywhere
# What every record has; the rest was given by who logged it.
STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


class PlainFormatter(logging.Formatter):
    """A line for people, and beneath it the traceback, if there is one.

    Whatever tells of a password (``hidden``) or a key is not read here.
    """

    def __init__(self, hidden: Sequence[str] = ()) -> None:
        super().__init__(PLAIN)
        escaped = {json.dumps(one)[1:-1] for one in hidden}  # as they are in JSON
        words = sorted({*hidden, *escaped}, key=len, reverse=True)
        self._hidden = re.compile("|".join([*map(re.escape, words), API_KEY]))

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        return self._masked(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line without a traceback: one line, whatever the message is made of."""
        line = super().formatMessage(record).rstrip("\n")  # Celery's messages end in some
        return CONTROL.sub(lambda one: ascii(one.group())[1:-1], line)

    def _masked(self, line: str) -> str:
        return self._hidden.sub("…", line)


class JsonFormatter(PlainFormatter):
    """One JSON object a line: ``time`` (RFC 3339), ``level``, ``logger``, ``message``, extras."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        members: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in STANDARD},
        }
        if record.exc_info:
            members["exception"] = self.formatException(record.exc_info)
        return self._masked(json.dumps(members, default=str))


def configuration(chosen: Settings) -> dict[str, Any]:
    """Return what ``logging.config.dictConfig`` asks for: all of it on standard error."""
    formatter = {
        "()": JsonFormatter if chosen.log_format == "json" else PlainFormatter,
        "hidden": chosen.passwords,
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"chosen": formatter},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "chosen"}},
        "root": {"level": chosen.log_level, "handlers": ["console"]},
    }


def configure(chosen: Settings) -> None:
    """Log as the settings say, from now on and in all of this process."""
    logging.config.dictConfig(configuration(chosen))
