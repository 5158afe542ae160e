"""GET /health and /ready: is this process alive, and would an upload be served now?"""

from __future__ import annotations

import logging
from collections.abc import Callable

from flask import Response, jsonify
from flask_openapi3 import APIBlueprint, Tag

from api.schemas import HealthOut, ReadyOut
from api.services import Services, services

log = logging.getLogger(__name__)
blueprint = APIBlueprint(
    "health", __name__, abp_tags=[Tag(name="health", description="For load balancers.")]
)

MISSED_HEARTBEATS = 5  # a worker silent for this many is not counted on
PROBE = "SELECT 1 FROM predictions LIMIT 1"


@blueprint.get("/health", responses={200: HealthOut})
def health() -> Response:
    """Say that this process answers. Asks nobody else."""
    return jsonify(status="ok")


@blueprint.get("/ready", responses={200: ReadyOut, 503: ReadyOut})
def ready() -> Response:
    """Say whether database, broker and a worker are there, each by itself."""
    at_hand = services()
    checks: dict[str, Callable[[Services], str]] = {"database": _database}
    if at_hand.queue_depth is not None:  # in the cloud, AWS starts workers when there is work
        checks |= {"worker": _worker, "broker": _broker}
    components = {}
    for name, check in checks.items():
        try:
            components[name] = {"ok": True, "detail": check(at_hand)}
        except LookupError as error:
            components[name] = {"ok": False, "detail": str(error)}
        except Exception as error:  # whatever it is, this component is not ready
            # The rest is for the log; it may hold addresses and names.
            log.warning("%s is not ready: %s", name, error)
            components[name] = {"ok": False, "detail": "does not answer"}
    all_ok = all(component["ok"] for component in components.values())
    response = jsonify(ready=all_ok, components=components)
    response.status_code = 200 if all_ok else 503
    return response


def _database(at_hand: Services) -> str:
    at_hand.probe_database()
    return "answers"


def _broker(at_hand: Services) -> str:
    assert at_hand.queue_depth is not None
    waiting = at_hand.queue_depth()
    return "answers" if at_hand.settings.keys_required else f"answers; {waiting} messages wait"


def _worker(at_hand: Services) -> str:
    live = at_hand.live_workers()
    if not live:
        raise LookupError("no worker has been heard of lately")
    if at_hand.settings.keys_required:  # this is answered without one, so names stay here
        return f"{len(live)} live"
    return f"{len(live)} live: {', '.join(worker['name'] for worker in live[:5])}"
