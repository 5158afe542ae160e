"""The OpenAPI document, made to say what the API really does.

The library writes down what it would do by itself: it would answer what does not validate with a
list of its own, every error as plain JSON, and take ``null`` for a parameter of a query.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from flask.json.provider import DefaultJSONProvider
from flask_openapi3 import OpenAPI

from api.access_openapi import add_access
from api.errors import MEDIA_TYPE
from settings import Settings

PROBLEM = {"$ref": "#/components/schemas/ProblemDocument"}
NULL = {"type": "null"}
INVALID = "422"
LABELS = ("label", "true_label")


class _Json(DefaultJSONProvider):
    def loads(self, s: str | bytes, **options: Any) -> Any:
        """Read JSON; what is nested too deeply for the parser is as bad as any that is broken."""
        try:
            return super().loads(s, **options)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


class Documented(OpenAPI):
    """An app whose OpenAPI document a client can rely on; ``labels`` are the model's."""

    chosen: Settings
    json_provider_class = _Json
    labels: Sequence[str] = ()

    def generate_spec_json(self) -> None:
        """Write the document, once all routes are there."""
        super().generate_spec_json()  # type: ignore[no-untyped-call]
        document: dict[str, Any] = self.spec_json
        if document["components"].get("securitySchemes") is None:
            document["components"].pop("securitySchemes", None)
        document["components"]["schemas"].pop(self.validation_error_model.__name__, None)
        for path in document["paths"].values():
            for operation in path.values():
                _mend(operation)
                self._name_labels(operation)
        presign = document["components"]["schemas"]["Presign"]["properties"]
        presign["true_label"]["anyOf"][0]["pattern"] = self._any_label("?")
        add_access(document, self.chosen)

    def _name_labels(self, operation: dict[str, Any]) -> None:
        """Say which labels there are, wherever a request may have one."""
        sent = "requestBody" in operation
        for parameter in operation.get("parameters", []):
            if parameter["name"] in LABELS:
                parameter["schema"]["pattern"] = self._any_label("?" if sent else "")
        for form in operation.get("requestBody", {}).get("content", {}).values():
            label = form["schema"].get("properties", {}).get("true_label", {})
            if label:
                texts = label.get("anyOf", [label])[0]
                texts.get("items", texts)["pattern"] = self._any_label("?")

    def _any_label(self, how_often: str = "") -> str:
        # An upload's may be empty: a form cannot leave out one of several.
        # No enumeration: a page's types are made from this document, and it has to fit any model.
        return f"^({'|'.join(map(re.escape, self.labels))}){how_often}$"


def _mend(operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", []):
        _without_null(parameter["schema"])
    responses = operation["responses"]
    content = responses.get(INVALID, {}).get("content", {}).get("application/json", {})
    if content.get("schema") != PROBLEM:  # the library's own
        del responses[INVALID]
        if operation.get("parameters") or "requestBody" in operation:
            responses[INVALID] = {
                "description": "Unprocessable Content",
                "content": {"application/json": {"schema": PROBLEM}},
            }
    for response in responses.values():
        by_type = response.get("content", {})
        if by_type.get("application/json", {}).get("schema") == PROBLEM:
            by_type[MEDIA_TYPE] = by_type.pop("application/json")


def _without_null(schema: dict[str, Any]) -> None:
    """Take out of a parameter's schema that it may be null: it is left out instead."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind != NULL]
    if len(kinds) == 1:
        del schema["anyOf"]
        schema.update(kinds[0])
    if schema.get("default", ...) is None:
        del schema["default"]
