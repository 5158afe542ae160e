"""The front door: API Gateway's HTTP API before one function, with its limits of size and time.

What cannot be served is answered as there: 503 if the function is throttled or takes longer than
an integration may, 500 if it fails or its answer is too large, 413 if what came is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from bench.lambda_lane.functions import NotInTime, Throttled
from bench.lambda_lane.http11 import Request, Response, Server
from bench.lambda_lane.limits import (
    GATEWAY_HEADERS_BYTES,
    GATEWAY_PAYLOAD_BYTES,
    GATEWAY_TIMEOUT_S,
    LAMBDA_PAYLOAD_BYTES,
)
from bench.lambda_lane.pool import Pool
from bench.lambda_lane.proxy_events import event_of, response_of

# As infra/serverless.yml has it. API Gateway adds these itself, and answers the browser's question
# before a request without asking the function.
ALLOWED_METHODS = "GET,POST,DELETE"
ALLOWED_HEADERS = "authorization,content-type,prefer,x-api-key,x-amz-date,x-amz-security-token"
EXPOSED_HEADERS = "location,ratelimit,retry-after,www-authenticate"


@contextmanager
def gateway(pool: Pool, port: int = 0, timeout_s: float = GATEWAY_TIMEOUT_S) -> Iterator[str]:
    """Answer requests by a function, on a port of loopback (0: any); give the address.

    Raises:
        OSError: the port is taken.
    """
    server = Server(
        port, lambda request: _answer(request, pool, server, timeout_s), GATEWAY_PAYLOAD_BYTES
    )
    with server:
        yield f"http://127.0.0.1:{server.port}"


def _answer(request: Request, pool: Pool, server: Server, timeout_s: float) -> Response:
    request_id = uuid4().hex
    origin = request.header("origin")
    if request.method == "OPTIONS" and origin and request.header("access-control-request-method"):
        return _preflight(request_id)
    response = _of_function(request, request_id, pool, server, timeout_s)
    headers = [*response.headers, ("apigw-requestid", request_id)]
    if origin:
        headers += [
            ("access-control-allow-origin", "*"),
            ("access-control-expose-headers", EXPOSED_HEADERS),
        ]
    return Response(response.status, headers, response.body)


def _of_function(
    request: Request, request_id: str, pool: Pool, server: Server, timeout_s: float
) -> Response:
    if request.headers_bytes > GATEWAY_HEADERS_BYTES:
        return _said(431, "Request Header Fields Too Large")
    event = json.dumps(event_of(request, request_id, server.port)).encode()
    if len(event) > LAMBDA_PAYLOAD_BYTES:
        return _said(413, "Request Entity Too Large")
    try:
        done = pool.invoke(event, within_s=timeout_s)
    except (Throttled, NotInTime):
        return _said(503, "Service Unavailable")
    if done.outcome != "ok":
        return _said(500, "Internal Server Error")
    response = response_of(done.payload)
    # The body is nearly all of the answer that Lambda limits.
    if (
        isinstance(done.payload, dict)
        and len(done.payload.get("body") or "") > LAMBDA_PAYLOAD_BYTES
    ):
        return _said(500, "Internal Server Error")
    return response


def _preflight(request_id: str) -> Response:
    return Response(
        204,
        [
            ("access-control-allow-origin", "*"),
            ("access-control-allow-methods", ALLOWED_METHODS),
            ("access-control-allow-headers", ALLOWED_HEADERS),
            ("apigw-requestid", request_id),
        ],
    )


def _said(status: int, message: str) -> Response:
    return Response(
        status, [("content-type", "application/json")], json.dumps({"message": message}).encode()
    )
