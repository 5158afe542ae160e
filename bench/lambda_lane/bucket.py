"""The bucket's events: what S3 says of each new object, sent to a queue.

The object store itself tells of what it accepted. SeaweedFS (4.48) POSTs the entry of each file
that it made or replaced to a web hook: in a try of 300 puts in a row all 300, within 5 ms of the
answer to the put and half of them before it, as S3 may do. That is both more faithful and cheaper
than a proxy before the store, which every byte would have to pass through. SeaweedFS advises it
for fewer than 100 events/s sustained; what waits is in memory, as all of the lane is, and is
tried three times more.

The web hook does not say whether an object came by PUT or by a form's POST: both are told as Put.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote_plus
from uuid import uuid4

from bench.lambda_lane.http11 import Request, Response, Server
from local.errors import LocalError
from local.s3 import BUCKET
from store.images import S3Images

PREFIX = "images"  # as infra/resources/images.yml filters
FOLDER = f"/buckets/{BUCKET}/"
ETAG = "Seaweed-X-Amz-ETag"
PARTS = "X-Seaweedfs-Upload-Id"  # of an object that came in parts
MAX_ENTRY_BYTES = 1024 * 1024
TOLD_WITHIN_S = 5.0


class Bucket:
    """Hears of new objects, and passes them on. ``send`` is given an event of S3, as JSON."""

    def __init__(self, send: Callable[[str], None]) -> None:
        self._send = send
        self._tried_key = f"{PREFIX}/{uuid4()}"  # nobody's image, to see whether we are told
        self._told = threading.Event()

    def hear(self, request: Request) -> Response:
        """Take what the web hook says."""
        if event := event_of(json.loads(request.body)):
            if event["Records"][0]["s3"]["object"]["key"] == self._tried_key:
                self._told.set()
            else:
                self._send(json.dumps(event))
        return Response(200)

    def try_it(self, s3_url: str) -> None:
        """See whether the object store tells us.

        Raises:
            LocalError: it does not.
        """
        images = S3Images(BUCKET, "", s3_url)
        reference = images.put(self._tried_key, b"", "text/plain")
        told = self._told.wait(TOLD_WITHIN_S)
        images.delete(reference)
        if not told:
            raise LocalError(
                f"the object store at {s3_url} does not tell this lane of its objects: start it"
                " by s3_server(folder, hook_url(port), PREFIX), and give the lane that port"
            )


@contextmanager
def heard(bucket: Bucket, port: int) -> Iterator[str]:
    """Listen to the web hook on a port of loopback (0: any); give the address to be told at."""
    with Server(port, bucket.hear, MAX_ENTRY_BYTES) as server:
        yield hook_url(server.port)


def hook_url(port: int) -> str:
    """Return the address that an object store is to tell of its objects."""
    return f"http://127.0.0.1:{port}/"


def event_of(told: dict[str, Any]) -> dict[str, Any] | None:
    """Return S3's event for what the web hook said; None if no object of the prefix was stored."""
    entry = told.get("message", {}).get("new_entry")
    key = str(told.get("key", "")).removeprefix(FOLDER)
    if not entry or entry.get("is_directory") or not key.startswith(f"{PREFIX}/"):
        return None
    attributes, extended = entry.get("attributes", {}), entry.get("extended", {})
    if ETAG in extended:
        etag = base64.b64decode(extended[ETAG]).decode()
    else:
        etag = base64.b64decode(attributes.get("md5", "")).hex()
    now_s = time.time()
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "us-east-1",
                "eventTime": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_s))
                + f".{int(now_s * 1000) % 1000:03d}Z",
                "eventName": "ObjectCreated:"
                + ("CompleteMultipartUpload" if PARTS in extended else "Put"),
                "userIdentity": {"principalId": "local"},
                "requestParameters": {"sourceIPAddress": "127.0.0.1"},
                "responseElements": {"x-amz-request-id": uuid4().hex[:16].upper()},
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "skylane-local-images",
                    "bucket": {
                        "name": BUCKET,
                        "ownerIdentity": {"principalId": "local"},
                        "arn": f"arn:aws:s3:::{BUCKET}",
                    },
                    "object": {
                        "key": quote_plus(key, safe="/"),
                        "size": int(attributes.get("file_size", 0)),
                        "eTag": etag,
                        # Of events of one key, the later one's is larger.
                        "sequencer": f"{time.time_ns():018X}",
                    },
                },
            }
        ]
    }
