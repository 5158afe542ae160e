"""Events as AWS documents them, filled in with a test's own objects."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from local.s3 import BUCKET
from store.references import Reference

HERE = Path(__file__).parent / "events"

Event = dict[str, Any]


def shape(name: str) -> Event:
    """Return a recorded event."""
    event: Event = json.loads((HERE / f"{name}.json").read_text())
    return event


def of_s3(references: Sequence[Reference], bucket: str = BUCKET) -> Event:
    """Return an event of S3 with a record for each object."""
    [template] = shape("s3")["Records"]
    records = []
    for reference in references:
        record = copy.deepcopy(template)
        record["s3"]["bucket"]["name"] = bucket
        record["s3"]["object"]["key"] = quote_plus(reference.key, safe="/")
        record["s3"]["object"]["eTag"] = reference.version
        records.append(record)
    return {"Records": records}


def of_eventbridge(reference: Reference) -> Event:
    """Return an event of EventBridge."""
    event = shape("eventbridge")
    event["detail"]["object"].update(key=reference.key, etag=reference.version)
    return event


def of_sqs(bodies: Sequence[Event | str]) -> Event:
    """Return an event of SQS with a message for each body; its id is "m0", "m1" and so on."""
    [template] = shape("sqs")["Records"]
    return {
        "Records": [
            {
                **template,
                "messageId": f"m{number}",
                "body": body if isinstance(body, str) else json.dumps(body),
            }
            for number, body in enumerate(bodies)
        ]
    }
