"""A function that does what it is told, for tests of what is around one."""

from __future__ import annotations

import json
import os
import time
from typing import Any

time.sleep(float(os.environ.get("INIT_S", "0")))


def handler(event: dict[str, Any], context: Any) -> Any:
    """Do what an event, or the body of each of its messages, tells; say who did it and when."""
    if "requestContext" in event:
        return _http(event)
    if "Records" not in event:
        return _done(event)
    return {
        "batchItemFailures": [
            {"itemIdentifier": record["messageId"]}
            for record in event["Records"]
            if _done(json.loads(record["body"]))["bad"]
        ]
    }


def _http(event: dict[str, Any]) -> dict[str, Any]:
    time.sleep(float(event.get("queryStringParameters", {}).get("sleep_s", 0)))
    return {
        "statusCode": 201,
        "headers": {"Content-Type": "application/json", "X-Twice": "no"},
        "cookies": ["a=1", "b=2"],
        "body": json.dumps(event),
        "isBase64Encoded": False,
    }


def _done(told: dict[str, Any]) -> dict[str, Any]:
    began_s = time.monotonic()
    time.sleep(told.get("sleep_s", 0))
    if told.get("die"):
        os._exit(1)
    if told.get("raise"):
        raise ValueError("as told")
    ended_s = time.monotonic()
    return {"pid": os.getpid(), "began_s": began_s, "ended_s": ended_s, "bad": told.get("bad")}
