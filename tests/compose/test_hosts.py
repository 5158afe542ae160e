"""Images on S3, and workers of another project, which is as far as one engine is another host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from bench.compose import Project

pytestmark = pytest.mark.skipif(
    "SKYLANE_COMPOSE" not in os.environ, reason="./test-compose runs these"
)

S3 = {
    "SKYLANE_IMAGES_URL": "s3://tiles/images",
    "SKYLANE_S3_ENDPOINT_URL": "http://s3:8333",
    "COMPOSE_PROFILES": "s3",
}


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Bring up everything but workers, with images on the S3-compatible store of the profile."""
    files = ("compose.shared.yaml", "tests/compose/shared-test.yaml")
    folder = tmp_path_factory.mktemp("hosts")
    project = Project(folder, "skylane-test-s3", *files, SHARED_ADDRESS="127.0.0.1", **S3)
    try:
        project.compose("up", "--detach", "--wait", "--scale=worker=0")
        yield project
    finally:
        project.compose("down", "--volumes", "--timeout=10")


def test_workers_of_another_host_take_their_images_from_s3(
    stores: Project, tiles: list[Path], tmp_path: Path
) -> None:
    keys = ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY")
    other = Project(
        tmp_path, "skylane-test-host", "compose.worker.yaml", "tests/compose/worker-test.yaml",
        **{key: stores.variables[key] for key in (*keys, *S3) if key != "COMPOSE_PROFILES"},
    )  # fmt: skip
    files = [("files", (path.name, path.read_bytes())) for path in tiles[:20]]
    early = requests.post(
        f"{stores.url}/upload_batch?wait=0", files=files, headers=stores.headers, timeout=60
    )
    assert early.status_code == 202, early.text
    assert {row["s3_key"].split("/")[0] for row in early.json()["results"]} == {"images"}
    try:
        other.compose("up", "--detach", "--wait", "worker")
        [worker] = other.containers("worker")
        late = requests.post(
            f"{stores.url}/upload_batch?wait=60", files=files, headers=stores.headers, timeout=90
        )
        assert late.status_code == 200, late.text
        for row in early.json()["results"] + late.json()["results"]:
            told = stores.get(f"/results/{row['request_id']}").json()
            assert (told["status"], told["worker"][:12]) == ("done", worker[:12])
        [newest] = stores.get("/results?limit=1").json()["results"]
        image = stores.get(f"/images/{newest['request_id']}")
        assert image.content == tiles[19].read_bytes()
    finally:
        other.compose("down", "--volumes", "--timeout=10")
