"""What keys and limits make of requests, in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from api.errors import MEDIA_TYPE
from api.keys import HEADER
from settings import Settings

PUBLIC = {"/health", "/ready"}  # of api.keys' public routes those that the document has
SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": HEADER},
    "bearer": {"type": "http", "scheme": "bearer"},
}
PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
REFUSED = {"401": "A key is needed.", "403": "This key may not do that."}
# Without keys, of an API that serves its own machine alone.
LOCAL = {"403": "This machine and its pages alone are served."}
LIMITED = {"429": "Too many requests."}


def add_access(document: dict[str, Any], chosen: Settings) -> None:
    """Add to a document, in place, what keys and limits make of requests."""
    keyed = chosen.keys_required
    refused = REFUSED if keyed else LOCAL if chosen.access == "auto" else {}
    added = refused | (LIMITED if keyed or chosen.rate_limit else {})
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path in PUBLIC:
                operation |= {"security": []} if keyed else {}
                continue
            for status, description in added.items():
                operation["responses"][status] = {"description": description, "content": PROBLEM}
    if keyed:
        document["components"]["securitySchemes"] = SCHEMES
        document["security"] = [{name: []} for name in SCHEMES]
