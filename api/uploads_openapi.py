"""How the upload routes read in the OpenAPI document.

Their bodies come in three forms, which the library cannot derive from a function's
signature, and validating a query by schema on every upload would cost more than the rest.
"""

from __future__ import annotations

from typing import Any

from api.schemas import BatchOut, Prediction, ProblemDocument
from api.waiting import MAX_WAIT_S

_BINARY = {"type": "string", "format": "binary"}
_NAME = {"type": "string", "description": "the image's name"}
_LABEL = {"type": "string", "description": "the true class, where it is known"}
_ID = {
    "type": "string",
    "format": "uuid",
    "description": "an id that the client chooses: what is sent again is accepted once",
}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Allow a member of JSON to be there and say nothing."""
    said = {key: value for key, value in schema.items() if key != "description"}
    return {"anyOf": [said, {"type": "null"}], "description": schema["description"]}


_WAIT: list[dict[str, Any]] = [
    {
        "name": "wait",
        "in": "query",
        "description": "seconds to wait for the prediction before answering 202",
        "schema": {"type": "number", "minimum": 0, "maximum": MAX_WAIT_S},
    },
    {
        "name": "Prefer",
        "in": "header",
        "description": "RFC 7240: `wait=SECONDS` or `respond-async`",
        "schema": {"type": "string"},
    },
]
_BESIDE_A_RAW_BODY: list[dict[str, Any]] = [
    {
        "name": name,
        "in": "query",
        "description": f"{schema['description']}, where the body does not say it",
        "schema": {member: schema[member] for member in schema if member != "description"},
    }
    for name, schema in (("filename", _NAME), ("true_label", _LABEL), ("request_id", _ID))
]
_PROBLEMS = {400: ProblemDocument, 413: ProblemDocument, 415: ProblemDocument} | {
    422: ProblemDocument,
    429: ProblemDocument,
    503: ProblemDocument,
}

UPLOAD: dict[str, Any] = {
    "responses": {
        **{200: Prediction, 202: Prediction, 409: ProblemDocument, **_PROBLEMS},
        500: ProblemDocument,  # the image was accepted, and what failed was ours
    },
    "openapi_extensions": {
        "parameters": _WAIT + _BESIDE_A_RAW_BODY,
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["file"],
                        "properties": {"file": _BINARY, "true_label": _LABEL, "request_id": _ID},
                    }
                },
                "image/*": {"schema": _BINARY},
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["image_base64"],
                        "properties": {
                            "image_base64": {"type": "string", "format": "byte", "minLength": 1},
                            "filename": _or_null(_NAME),
                            "true_label": _or_null(_LABEL),
                            "request_id": _or_null(_ID),
                        },
                    }
                },
            },
        },
    },
}
UPLOAD_BATCH: dict[str, Any] = {
    "responses": {200: BatchOut, 202: BatchOut, **_PROBLEMS},
    "openapi_extensions": {
        "parameters": _WAIT,
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["files"],
                        "properties": {
                            "files": {"type": "array", "items": _BINARY, "minItems": 1},
                            "true_label": {"type": "array", "items": _LABEL},
                            "request_id": {"type": "array", "items": _ID},
                        },
                    }
                }
            },
        },
    },
}
