"""The Flask app behind API Gateway (REST and HTTP APIs) or a load balancer."""

from __future__ import annotations

from typing import Any

import tracing
from api import create_app
from lambda_adapters.door import answer
from lambda_adapters.stages import Event

# At INIT: an invocation finds the app made, and no connection open that might have gone stale.
app = create_app()


def handler(event: Event, context: Any) -> dict[str, Any]:
    """Answer one request."""
    told = answer(app, event, context)
    tracing.flush()
    return told
