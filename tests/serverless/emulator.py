"""AWS on this machine's loopback, and a stack of ours deployed to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import requests

from local.ports import answers, free_ports
from settings import ROOT
from store.database import Database
from store.keys import Secret
from store.predictions import Predictions

REGION, STAGE = "eu-central-1", "dev"
STARTS_WITHIN_S = 30
VISIBILITY_S = 2  # in place of three minutes: who waits for a message to come back is a test


@contextmanager
def emulator(program: str, folder: Path) -> Iterator[str]:
    """Run ministack and give its address."""
    [port] = free_ports(1)
    env = {
        **os.environ,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
    }
    with (folder / "emulator.log").open("wb") as log:
        server = subprocess.Popen([program], env=env, stdout=log, stderr=log, cwd=folder)
    try:
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not answers("127.0.0.1", port, "/_ministack/health"):
            assert server.poll() is None, (folder / "emulator.log").read_text()
            assert time.monotonic() < deadline, "the emulator does not answer"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()  # which ends the functions' processes, too
        server.wait(20)


class Deployment:
    """The stack: deployed by ``deploy``, removed by ``remove``."""

    def __init__(self, address: str, database_url: str, folder: Path) -> None:
        self.address = address
        self.folder = folder
        self.key = Secret.new().text
        self.predictions = Predictions(Database(database_url))
        self._parameters = {
            "package": "zip",
            "artifact": str(_bootstrap(folder)),
            "databaseUrl": database_url,
            "endpointUrl": address,
            "initialKey": self.key,
            "visibilityTimeoutS": str(VISIBILITY_S),
        }
        self._keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

    def deploy(self) -> None:
        """Run `serverless deploy`, and look up what it made."""
        self._serverless("deploy")
        stacks = self.client("cloudformation").describe_stacks(StackName=f"skylane-{STAGE}")
        outputs = {one["OutputKey"]: one["OutputValue"] for one in stacks["Stacks"][0]["Outputs"]}
        self.bucket = outputs["ImagesBucket"]
        self.dead_letters_url = outputs["DeadLettersUrl"]
        self.queue_url = outputs["QueueUrl"]
        host = outputs["HttpApiUrl"].removeprefix("https://").partition(".")[0]
        self._host = f"{host}.execute-api.localhost:{self.address.rpartition(':')[2]}"

    def remove(self) -> None:
        """Run `serverless remove`."""
        self._serverless("remove")

    def client(self, service: str) -> Any:
        """Return a client of one of the emulated services."""
        return boto3.client(
            service,
            endpoint_url=self.address,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106
        )

    def call(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """Call the API through API Gateway, with the key that it began with."""
        return self.call_as(self.key, method, path, **arguments)

    def call_as(self, key: str, method: str, path: str, **arguments: Any) -> requests.Response:
        """Call the API with a key, or with none: ""."""
        headers = {"Host": self._host, "X-API-Key": key}
        return requests.request(
            method, self.address + path, headers=headers, timeout=30, **arguments
        )

    def tell(self, event: Any) -> None:
        """Put a message into the queue that infer works on."""
        body = event if isinstance(event, str) else json.dumps(event)
        self.client("sqs").send_message(QueueUrl=self.queue_url, MessageBody=body)

    def queue_is_empty(self) -> bool:
        """Whether every message was worked on to its end."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        told = self.client("sqs").get_queue_attributes(
            QueueUrl=self.queue_url, AttributeNames=names
        )
        return [told["Attributes"][name] for name in names] == ["0", "0"]

    def _serverless(self, command: str) -> None:
        parameters = [
            part
            for name, value in self._parameters.items()
            for part in ("--param", f"{name}={value}")
        ]
        done = subprocess.run(
            ["npx", "serverless", command, "--stage", STAGE, *parameters],
            cwd=ROOT / "infra",
            env={
                **os.environ,
                **self._keys,
                "AWS_ENDPOINT_URL": self.address,
                "AWS_REGION": REGION,
            },
            capture_output=True,
            text=True,
            timeout=240,
        )
        log = self.folder / "emulator.log"
        assert done.returncode == 0, done.stdout + done.stderr + log.read_text()[-3000:]


def _bootstrap(folder: Path) -> Path:
    """Make the archive that stands for the image: AWS's runtime client on this checkout."""
    script = f'#!/bin/sh\ncd "{ROOT}" && exec "{sys.executable}" -m awslambdaric "$_HANDLER"\n'
    path = folder / "bootstrap.zip"
    with zipfile.ZipFile(path, "w") as archive:
        member = zipfile.ZipInfo("bootstrap")
        member.external_attr = 0o755 << 16
        archive.writestr(member, script)
    return path
