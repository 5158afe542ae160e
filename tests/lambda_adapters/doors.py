"""A request as each of the three front doors hands it to a function."""

from __future__ import annotations

import base64
from typing import Any

Event = dict[str, Any]


def rest(method: str, path: str, body: bytes, content_type: str) -> Event:
    """Return an event of API Gateway's REST API (payload format 1.0)."""
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": {"Content-Type": content_type, "Host": "a1b2c3.execute-api.amazonaws.com"},
        "multiValueHeaders": {
            "Content-Type": [content_type],
            "Host": ["a1b2c3.execute-api.amazonaws.com"],
        },
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": path.strip("/")},
        "stageVariables": None,
        "requestContext": {"stage": "dev", "path": f"/dev{path}", "httpMethod": method},
        "body": base64.b64encode(body).decode() if body else None,
        "isBase64Encoded": bool(body),
    }


def http(method: str, path: str, body: bytes, content_type: str) -> Event:
    """Return an event of API Gateway's HTTP API (payload format 2.0)."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": content_type, "host": "a1b2c3.execute-api.amazonaws.com"},
        "requestContext": {
            "domainName": "a1b2c3.execute-api.amazonaws.com",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1"},
            "stage": "$default",
        },
        "body": base64.b64encode(body).decode() if body else "",
        "isBase64Encoded": bool(body),
    }


def alb(method: str, path: str, body: bytes, content_type: str) -> Event:
    """Return an event of an Application Load Balancer."""
    return {
        "requestContext": {
            "elb": {
                "targetGroupArn": "arn:aws:elasticloadbalancing:eu-central-1:111122223333:"
                "targetgroup/skylane/6d0ecf831eec9f09"
            }
        },
        "httpMethod": method,
        "path": path,
        "queryStringParameters": {},
        "headers": {"content-type": content_type, "host": "skylane.example"},
        "body": base64.b64encode(body).decode() if body else "",
        "isBase64Encoded": bool(body),
    }
