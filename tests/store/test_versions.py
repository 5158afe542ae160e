"""Which of the objects under one key is read and deleted, where others came before or after it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import boto3
import pytest

from local.s3 import BUCKET
from store.errors import ImageNotFound
from store.images import S3Images
from store.references import Reference

OLD, NEW = b"\xff\xd8\xff old", b"\xff\xd8\xff new"


@pytest.fixture(scope="module")
def client(s3_endpoint: str) -> Any:
    return boto3.client("s3", endpoint_url=s3_endpoint)


@pytest.fixture
def plain(s3_endpoint: str) -> S3Images:
    """Return a store in a bucket without versions."""
    return S3Images(BUCKET, "versions", s3_endpoint)


@pytest.fixture
def versioned(client: Any, s3_endpoint: str) -> S3Images:
    """Return a store in a bucket that keeps versions, from its second object on (``before``)."""
    bucket = f"versions-{uuid4()}"
    client.create_bucket(Bucket=bucket)
    images = S3Images(bucket, "", s3_endpoint)
    images.put("before", OLD, "image/jpeg")
    keep = {"Status": "Enabled"}
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=keep)
    return images


def stored(client: Any, images: S3Images, key: str) -> int:
    """Return how many objects there are under a key, in all versions."""
    told = client.list_object_versions(Bucket=images.bucket, Prefix=key)
    return len(told.get("Versions", []))


def delete(images: S3Images, together: bool, *references: Reference) -> None:
    if together:
        assert set(images.delete_many(references)) == set(references)
    else:
        for reference in references:
            images.delete(reference)


@pytest.mark.parametrize("together", [False, True])
def test_to_delete_what_was_overwritten_leaves_what_came_after(
    plain: S3Images, versioned: S3Images, together: bool
) -> None:
    for images in (plain, versioned):
        key = f"latest-{uuid4()}.jpg"
        old, new = (images.put(key, data, "image/jpeg") for data in (OLD, NEW))
        delete(images, together, old)
        assert images.get(new) == NEW
        with pytest.raises(ImageNotFound):
            images.get(old)
        delete(images, together, old, new)
        with pytest.raises(ImageNotFound):
            images.get(new)


def test_what_is_overwritten_while_it_is_deleted_stays(
    plain: S3Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [f"latest-{uuid4()}.jpg" for _ in range(2)]
    old = [plain.put(key, OLD, "image/jpeg") for key in keys]
    call = plain._call
    new: list[Reference] = []

    def overtaken(operation: str, **arguments: Any) -> dict[str, Any]:
        if operation.startswith("delete_object"):
            new.append(plain.put(keys[len(new)], NEW, "image/jpeg"))
        return call(operation, **arguments)

    monkeypatch.setattr(plain, "_call", overtaken)
    plain.delete(old[0])
    assert plain.delete_many(old[1:]) == old[1:]
    assert plain.get_many(new) == [NEW, NEW]


@pytest.mark.parametrize("together", [False, True])
def test_what_is_deleted_where_versions_are_kept_is_gone_for_good(
    versioned: S3Images, client: Any, together: bool
) -> None:
    one = versioned.put("one", NEW, "image/jpeg")
    before = Reference("before", versioned.describe(Reference("before")).reference.version)
    delete(versioned, together, one, before)
    assert (stored(client, versioned, "one"), stored(client, versioned, "before")) == (0, 0)


def test_what_was_deleted_or_overwritten_by_others_is_read_where_versions_are_kept(
    versioned: S3Images, client: Any
) -> None:
    before = versioned.describe(Reference("before")).reference
    one = versioned.put("one", NEW, "image/jpeg")
    versioned._max_bytes = len(NEW)
    for key in ("before", "one"):
        versioned.put(key, b"another, and too large", "image/jpeg")
        assert versioned.get_many([before, one]) == [OLD, NEW]
        client.delete_object(Bucket=versioned.bucket, Key=key)  # which leaves a marker
        assert versioned.get_many([before, one]) == [OLD, NEW]
        with pytest.raises(ImageNotFound):
            versioned.get(Reference(key))
    assert versioned.describe(one).reference == one
    delete(versioned, True, before)
    assert [type(one) for one in versioned.get_many([before])] == [ImageNotFound]


def test_a_key_that_cannot_be_said_in_xml_does_not_keep_its_neighbours(plain: S3Images) -> None:
    references = [plain.put(f"{uuid4()}{end}", OLD, "image/jpeg") for end in ("a", "\x01", "b")]
    assert plain.delete_many(references) == references
    assert [type(one) for one in plain.get_many(references)] == [ImageNotFound] * 3
