"""A real S3-compatible server for tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.stack import free_ports, until

BUCKET = "tiles"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test-secret"}


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """Run SeaweedFS with one bucket, give its address, and set the keys to it."""
    import boto3

    names = ("master", "volume", "filer", "s3")
    numbers = free_ports(8)
    ports, grpc_ports = dict(zip(names, numbers, strict=False)), numbers[4:]
    (folder / "s3.json").write_text(
        '{"identities": [{"name": "test", "actions": ["Admin", "Read", "Write", "List"],'
        '"credentials": [{"accessKey": "test", "secretKey": "test-secret"}]}]}'
    )
    weed = Path(sys.executable).with_name("weed")
    command = [str(weed), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    command += ["-s3", f"-s3.config={folder / 's3.json'}", "-volume.max=5"]
    # Tables have ports of their own, and calls home are off.
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
    command += [f"-{name}.port={port}" for name, port in ports.items()]
    # Each also listens for gRPC, by default on its port + 10000, which may be no port at all.
    command += [f"-{name}.port.grpc={port}" for name, port in zip(names, grpc_ports, strict=True)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{ports['s3']}"
    os.environ.update(KEYS, AWS_DEFAULT_REGION="us-east-1")
    client = boto3.client("s3", endpoint_url=url)

    def bucket_made() -> bool:
        assert server.poll() is None, (folder / "log").read_text()[-3000:]
        try:
            client.create_bucket(Bucket=BUCKET)
        except Exception:
            return False
        return True

    try:
        until(bucket_made, limit_s=60)
        yield url
    finally:
        for name in (*KEYS, "AWS_DEFAULT_REGION"):
            os.environ.pop(name)
        server.kill()  # it takes half a minute to stop when asked
        server.wait(20)
