"""API Gateway's HTTP API: requests as events of payload format 2.0, and answers back.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from typing import Any
from urllib.parse import parse_qsl

from bench.lambda_lane.http11 import Headers, Request, Response

# Of one connection only; the other side has its own.
HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
# What comes as it is; anything else is in base64.
TEXT_TYPES = ("text/", "application/json", "application/javascript", "application/xml")
MALFORMED = Response(
    500, [("content-type", "application/json")], b'{"message":"Internal Server Error"}'
)


def event_of(request: Request, request_id: str, port: int) -> dict[str, Any]:
    """Return the event that a request becomes at the default stage of an API on ``port``."""
    path, _, query = request.target.partition("?")
    now_s = time.time()
    headers, cookies = _joined(request.headers)
    headers["x-forwarded-for"] = request.client
    headers["x-forwarded-port"] = str(port)
    headers["x-forwarded-proto"] = "http"  # https on AWS
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": headers.get("host", "").partition(":")[0],
            "domainPrefix": "local",
            "http": {
                "method": request.method,
                "path": path,
                "protocol": request.protocol,
                "sourceIp": request.client,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request_id,
            "routeKey": "$default",
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now_s)),
            "timeEpoch": int(now_s * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if query:
        event["queryStringParameters"] = _parameters(query)
    if request.body:
        event["body"], event["isBase64Encoded"] = _body(request)
    return event


def response_of(answer: Any) -> Response:
    """Return what a function's answer becomes; one that is malformed, 500."""
    if not isinstance(answer, dict) or "statusCode" not in answer:
        # Then it is the body: "Lambda function responses for format 2.0".
        body = answer if isinstance(answer, str) else json.dumps(answer)
        return Response(200, [("content-type", "application/json")], body.encode())
    try:
        content = answer.get("body") or ""
        if not isinstance(content, str):
            return MALFORMED
        encoded = answer.get("isBase64Encoded")
        data = base64.b64decode(content, validate=True) if encoded else content.encode()
        headers = [
            (name.lower(), str(value))
            for name, value in (answer.get("headers") or {}).items()
            if name.lower() not in HOP_BY_HOP and name.lower() != "content-length"
        ]
        headers += [("set-cookie", cookie) for cookie in answer.get("cookies") or []]
        if any("\r" in value or "\n" in value for _, value in headers):
            return MALFORMED
        return Response(int(answer["statusCode"]), headers, data)
    except (TypeError, ValueError, AttributeError, binascii.Error):
        return MALFORMED


def _joined(received: Headers) -> tuple[dict[str, str], list[str]]:
    # Headers that come several times are joined by commas. Cookies have a place of their own.
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for name, value in received:
        if name == "cookie":
            cookies += [one.strip() for one in value.split(";") if one.strip()]
        elif name not in HOP_BY_HOP and name != "expect":
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers, cookies


def _parameters(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    return parameters


def _body(request: Request) -> tuple[str, bool]:
    if request.header("content-type").startswith(TEXT_TYPES):
        try:
            return request.body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(request.body).decode(), True
