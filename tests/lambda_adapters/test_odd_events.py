"""Whatever an event has in it: an answer, or a failure of that message alone."""

from __future__ import annotations

import copy
import json
from itertools import product
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import create_app
from lambda_adapters import infer
from lambda_adapters.door import answer
from lambda_adapters.environment import Environment
from lambda_adapters.events import EventError, objects_of
from local.s3 import BUCKET
from settings import Settings
from tests.lambda_adapters.conftest import Put
from tests.lambda_adapters.doors import Event, alb, http, rest
from tests.lambda_adapters.shapes import of_eventbridge, of_s3, of_sqs, shape
from tests.lambda_adapters.told import failed, rows

LEFT_OUT = "left out"
few = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
KEYS = st.text(min_size=1, max_size=40) | st.sampled_from(
    ["\ud800", "a\0b", "k" * 5000, "/", "..", "%", "%ff%fe", "+", "\u202e", "images/", "0" * 1024]
)


@st.composite
def spoilt(draw: st.DrawFn, event: Event) -> Event:
    """Return the event with one or two of its fields, at any depth, replaced or left out."""
    event = copy.deepcopy(event)
    for _ in range(draw(st.integers(1, 2))):
        place: Any = event
        while True:
            at = draw(
                st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place)))
            )
            inner = place[at]
            if not isinstance(inner, dict | list) or not inner or draw(st.integers(0, 3)) == 0:
                break
            place = inner
        if isinstance(place, dict) and draw(st.booleans()):
            del place[at]
        else:
            place[at] = draw(JSON)
        if not event:
            break
    return event


@few
@given(
    event=spoilt(shape("s3"))
    | spoilt(shape("eventbridge"))
    | JSON.filter(lambda x: isinstance(x, dict))
)
def test_what_is_no_event_of_an_object_is_told_so_and_raises_nothing_else(event: Event) -> None:
    try:
        for one in objects_of(event):
            assert isinstance(one.reference.key, str)
            assert hash(one)
    except EventError:
        pass


@few
@given(data=st.data())
def test_a_message_of_any_kind_leaves_its_neighbours_alone(
    at_hand: Environment, put: Put, tile: bytes, data: st.DataObject
) -> None:
    good = put(tile)
    odd_reference = good._replace(key=data.draw(KEYS, "key"), version=data.draw(KEYS, "version"))
    odd: Event | str = data.draw(
        st.sampled_from([of_s3([good]), of_eventbridge(good)]).flatmap(spoilt)
        | JSON.map(json.dumps)
        | st.just(of_eventbridge(odd_reference)),
        "message",
    )
    batch = of_sqs([of_s3([good]), odd, of_eventbridge(good)])

    answer = infer.handler(batch, None)

    assert set(failed(answer)) <= {"m1"}
    assert rows(at_hand)[good.key]["status"] == "done"


def test_a_record_of_any_kind_leaves_its_neighbours_alone(
    at_hand: Environment, put: Put, tile: bytes
) -> None:
    fields = ("body", "messageId", "eventSource", "attributes", "md5OfBody")
    values: tuple[Any, ...] = (None, 7, [], {}, "\ud800", LEFT_OUT)
    for field, value in product(fields, values):
        good = put(tile)
        batch = of_sqs([of_s3([good]), of_s3([good])])
        batch["Records"][1][field] = value
        if value == LEFT_OUT:
            del batch["Records"][1][field]
        try:
            answer = infer.handler(batch, None)
        except EventError:
            assert field == "messageId"  # without it nothing can be said of one message alone
        else:
            assert "m0" not in failed(answer)
            assert rows(at_hand)[good.key]["status"] == "done"


@pytest.fixture
def app(s3_endpoint: str, database_url: str) -> Flask:
    """Return the app as the function in the cloud has it."""
    chosen = Settings(
        lane="serverless",
        access="open",
        images_url=f"s3://{BUCKET}/images",
        s3_endpoint_url=s3_endpoint,
    )
    made: Flask = create_app(chosen.model_copy(update={"database_url": database_url}))
    return made


TEXTS = st.text(max_size=30) | st.sampled_from(
    ["\ud800", "%00", "%ff", "a\r\nb: c", "é", "\x7f", "x" * 9000, "null", "-1", "../..", "//"]
)
PATHS = st.sampled_from(["/upload", "/upload_batch", "/results", "/uploads/presign", "/stats", ""])
TYPES = ["image/jpeg", "application/json", "multipart/form-data", "multipart/form-data; boundary=b"]


@st.composite
def requested(draw: st.DrawFn) -> Event:
    """Return an event of some door, whose client sent something odd."""
    method = draw(st.sampled_from(["GET", "POST", "DELETE", "OPTIONS", "PATCH", "BREW"]))
    path = draw(PATHS) + draw(st.just("") | TEXTS.map(lambda text: "/" + text))
    content_type = draw(st.sampled_from(TYPES) | TEXTS)
    event: Event = draw(st.sampled_from([rest, http, alb]))(
        method, path, draw(st.binary(max_size=99)), content_type
    )
    query = draw(st.dictionaries(TEXTS | st.sampled_from(["wait", "limit", "cursor"]), TEXTS))
    if "rawQueryString" in event:
        event["rawQueryString"] = "&".join(f"{name}={value}" for name, value in query.items())
    else:
        event["queryStringParameters"] = query or None
    headers = draw(
        st.dictionaries(TEXTS | st.sampled_from(["Prefer", "Host", "Content-Length"]), TEXTS)
    )
    event["headers"] |= headers
    return event


@few
@given(event=requested())
def test_whatever_a_client_sends_through_a_door_is_answered(app: Flask, event: Event) -> None:
    told = answer(app, event, None)
    assert 200 <= told["statusCode"] < 500, told
    json.dumps(told)


@few
@given(event=requested().flatmap(spoilt))
def test_what_is_no_request_of_a_door_is_answered_as_such(app: Flask, event: Event) -> None:
    told = answer(app, event, None)
    assert 200 <= told["statusCode"] < 500, told
    json.dumps(told)
