"""The app with its OpenAPI document, which says what keys and limits make of requests."""

from __future__ import annotations

from typing import Any

from flask_openapi3 import OpenAPI

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
LIMITED = {"429": "Too many requests."}


class DocumentedApp(OpenAPI):
    """A Flask app that describes itself as it is set up: with keys, or without."""

    chosen: Settings

    @property
    def api_doc(self) -> dict[str, Any]:
        """Return the document."""
        document: dict[str, Any] = super().api_doc
        keyed = self.chosen.keys_required
        added = (REFUSED if keyed else {}) | (LIMITED if keyed or self.chosen.rate_limit else {})
        for path, operations in document["paths"].items():
            for operation in operations.values():
                if path in PUBLIC:
                    operation |= {"security": []} if keyed else {}
                    continue
                for status, description in added.items():
                    operation["responses"][status] = {
                        "description": description,
                        "content": PROBLEM,
                    }
        if keyed:
            document["components"]["securitySchemes"] = SCHEMES
            document["security"] = [{name: []} for name in SCHEMES]
        return document
