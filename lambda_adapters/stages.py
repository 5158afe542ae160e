"""Where an API's stage is in its addresses, of which serverless-wsgi knows the REST API's."""

from __future__ import annotations

from typing import Any

Event = dict[str, Any]


def without_stage(event: Event) -> Event:
    """Return an HTTP API's event so that its stage is where serverless-wsgi looks for it.

    The default stage is part of no address, but would become part of every link. Another one
    is part of the path that the event tells, where a REST API's is not.
    """
    if event.get("version") != "2.0":
        return event
    stage = event["requestContext"].get("stage", "$default")
    if stage == "$default":
        return {**event, "requestContext": {**event["requestContext"], "stage": ""}}
    return {**event, "rawPath": event["rawPath"].removeprefix(f"/{stage}") or "/"}
