"""Whatever way AWS says that an object was stored, it is the same object."""

from __future__ import annotations

import json

import pytest

from lambda_adapters.events import EventError, is_batch, objects_of, objects_of_message
from tests.lambda_adapters.shapes import of_sqs, shape

KEY, ETAG = "drop/River & Sea, Müritz.jpg", "d41d8cd98f00b204e9800998ecf8427e"


@pytest.mark.parametrize("name", ["s3", "eventbridge"])
def test_a_key_is_decoded_once_whoever_tells_it(name: str) -> None:
    [told] = objects_of(shape(name))
    assert (told.bucket, told.reference) == ("tiles", (KEY, ETAG))
    assert objects_of_message(json.dumps(shape(name))) == [told]


def test_a_key_with_a_percent_sign_in_it_stays_what_it_is() -> None:
    from_s3, from_eventbridge = shape("s3"), shape("eventbridge")
    from_s3["Records"][0]["s3"]["object"]["key"] = "100%2525+of+it%2B.jpg"
    from_eventbridge["detail"]["object"]["key"] = "100%25 of it+.jpg"
    for event in (from_s3, from_eventbridge):
        assert objects_of(event)[0].reference.key == "100%25 of it+.jpg"


def test_the_version_of_a_versioned_object_is_its_version_id() -> None:
    from_s3, from_eventbridge = shape("s3"), shape("eventbridge")
    from_s3["Records"][0]["s3"]["object"]["versionId"] = "v7"
    from_eventbridge["detail"]["object"]["version-id"] = "v7"
    for event in (from_s3, from_eventbridge):
        assert objects_of(event)[0].reference.version == "v7"


@pytest.mark.parametrize("absent", ["null", ""])
def test_an_object_of_a_bucket_without_versions_goes_by_its_etag(absent: str) -> None:
    from_s3, from_eventbridge = shape("s3"), shape("eventbridge")
    from_s3["Records"][0]["s3"]["object"]["versionId"] = absent
    from_eventbridge["detail"]["object"]["version-id"] = absent
    for event in (from_s3, from_eventbridge):
        assert objects_of(event)[0].reference.version == ETAG


def test_what_is_no_new_object_is_ignored() -> None:
    removed, deleted = shape("s3"), shape("eventbridge")
    removed["Records"][0]["eventName"] = "ObjectRemoved:Delete"
    deleted["detail-type"] = "Object Deleted"
    for event in (shape("test_event"), removed, deleted):
        assert objects_of(event) == []


def test_messages_are_told_from_events() -> None:
    assert is_batch(of_sqs([shape("s3")]))
    for name in ("s3", "eventbridge", "test_event"):
        assert not is_batch(shape(name))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("not JSON", "is not JSON: 'not JSON'"),
        ("[1]", "is not an event"),
        ("{}", "not an event of S3, SQS or EventBridge"),
        ('{"Records": "none"}', "not an event of S3"),
        ('{"Records": [{"s3": {}}]}', "not an event of an object: KeyError"),
        ('{"source": "aws.s3"}', "not an event of an object"),
        ('{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": 1}}]}', "not an event"),
    ],
)
def test_anything_else_is_told_for_what_it_is(body: str, told: str) -> None:
    with pytest.raises(EventError, match=told):
        objects_of_message(body)
