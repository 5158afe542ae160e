"""An API says what it is, so that nobody who uses it has to be told."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import requests

from api import create_app
from local.s3 import BUCKET
from settings import ROOT, Settings


def client(chosen: Settings, **addresses: str) -> Any:
    return create_app(chosen.model_copy(update=addresses)).test_client()


@pytest.fixture
def cloud(tmp_path: Path, s3_endpoint: str, database_url: str) -> Any:
    """Return a client of the serverless lane's API, in this process."""
    chosen = Settings(
        home=tmp_path,
        lane="serverless",
        access="open",
        images_url=f"s3://{BUCKET}/images",
        s3_endpoint_url=s3_endpoint,
    )
    return client(chosen, database_url=database_url)


def test_an_api_says_what_it_takes_and_knows(api_url: str, tile: bytes) -> None:
    about = requests.get(f"{api_url}/about", timeout=30).json()
    files = {"file": ("a.jpg", tile)}
    row = requests.post(f"{api_url}/upload?wait=30", files=files, timeout=60).json()
    assert about["model_version"] == row["model_version"]
    assert set(about["labels"]) == row["probabilities"].keys()
    assert row["content_type"] in about["accepted_media_types"]
    assert (about["lane"], about["events"], about["presigned_uploads"]) == ("on-prem", True, False)
    assert about["max_image_bytes"] < about["max_body_bytes"]
    assert about["max_batch_files"] == 1000


def test_its_version_is_the_packages(api_url: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert requests.get(f"{api_url}/about", timeout=30).json()["version"] == project["version"]


def test_an_api_in_the_cloud_takes_presigned_uploads_and_has_no_page(cloud: Any) -> None:
    about = cloud.get("/about").json
    told = (about["lane"], about["events"], about["presigned_uploads"])
    assert told == ("serverless", False, True)
    assert cloud.get("/config.json").status_code == 404


def test_the_page_is_told_of_this_api_and_of_its_peer(
    api_url: str, tmp_path: Path, database_url: str, broker_url: str
) -> None:
    here = {"name": "on-prem", "url": ""}
    assert requests.get(f"{api_url}/config.json", timeout=30).json() == {"apis": [here]}
    beside = client(
        Settings(home=tmp_path, peer_api_url="https://peer.example/dev/"),
        database_url=database_url,
        broker_url=broker_url,
    )
    assert beside.get("/config.json").json["apis"] == [
        here,
        {"name": "serverless", "url": "https://peer.example/dev"},
    ]
