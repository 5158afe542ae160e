"""A file is fetched once, and only if it is the one that was meant."""

from __future__ import annotations

import hashlib
from pathlib import Path
from uuid import uuid4

import boto3
import pytest

from local.s3 import BUCKET
from store.errors import StoreError
from store.files import fetch


def stored(endpoint_url: str, data: bytes, digest: str = "") -> str:
    key = f"models/{uuid4()}.zip"
    boto3.client("s3", endpoint_url=endpoint_url).put_object(Bucket=BUCKET, Key=key, Body=data)
    return f"s3://{BUCKET}/{key}#sha256={digest or hashlib.sha256(data).hexdigest()}"


def test_a_file_is_fetched_once(s3_endpoint: str, tmp_path: Path) -> None:
    address = stored(s3_endpoint, b"a model")
    path = fetch(address, tmp_path / "new", s3_endpoint)
    assert (path.read_bytes(), path.suffix) == (b"a model", ".zip")
    assert fetch(address, tmp_path / "new", "http://127.0.0.1:1") == path  # asks nobody
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_another_file_of_the_same_name_is_refused(s3_endpoint: str, tmp_path: Path) -> None:
    address = stored(s3_endpoint, b"another model", "0" * 64)
    with pytest.raises(StoreError, match="has the digest"):
        fetch(address, tmp_path, s3_endpoint)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_there_is_told(s3_endpoint: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="could not be fetched"):
        fetch(f"s3://{BUCKET}/models/none.zip#sha256={'0' * 64}", tmp_path, s3_endpoint)


@pytest.mark.parametrize("address", ["", "s3://bucket/key", "file:///x#sha256=" + "0" * 64])
def test_an_address_without_its_digest_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not s3://BUCKET/KEY#sha256=DIGEST"):
        fetch(address, tmp_path)
