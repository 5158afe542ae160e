"""Images as objects in a bucket of S3, or of a compatible store, under a prefix."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from store.errors import ImageNotFound, ImageRefused, ImageStoreError, ImageTooLarge, StoreError
from store.images.base import NewImage, NoBytes, get_or_error, put_all
from store.references import Reference

log = logging.getLogger(__name__)

DEFAULT_MAX_BYTES = 10 * 1024 * 1024
# S3 answers one request in 10-50 ms whatever its size: ask for a batch's images together.
S3_CONCURRENCY = 16
# Three tries end within 20 s, their pauses included: before a row counts as left lying
# (SKYLANE_STALE_AFTER_S), and before Lambda ends an invocation (inferTimeoutS).
S3_CONNECT_TIMEOUT_S, S3_READ_TIMEOUT_S, S3_TRIES = 2, 5, 3
DELETE_AT_ONCE = 1000  # objects, as many as S3 takes
TOO_BUSY = (408, 429)  # HTTP statuses below 500 that do not speak of the one object

ETAG = re.compile(r"[0-9a-f]{32}(-\d+)?")


@dataclass(frozen=True)
class Described:
    """What an S3 store knows of an object besides its bytes; ``notes`` are its metadata."""

    reference: Reference
    content_type: str
    size_bytes: int
    notes: Mapping[str, str]


class S3Images:
    """Images as objects in a bucket, under a prefix."""

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        endpoint_url: str = "",
        max_bytes: int = DEFAULT_MAX_BYTES,
    ) -> None:
        self.bucket: str | None = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._endpoint_url = endpoint_url
        self._max_bytes = max_bytes
        self._threads = ThreadPoolExecutor(S3_CONCURRENCY, thread_name_prefix="s3")
        self._connecting = threading.Lock()
        self._made: Any = None

    @property
    def _client(self) -> Any:
        # Made when it is first needed: it takes a quarter of a second and 40 MB, and who only
        # asks for results needs none.
        if self._made is None:
            with self._connecting:
                self._made = self._made or _s3_client(self._endpoint_url)
        return self._made

    def connect(self) -> None:
        _ = self._client

    def put(self, key: str, data: bytes, content_type: str) -> Reference:
        key = self._prefix + key
        answer = self._call("put_object", Key=key, Body=data, ContentType=content_type)
        return Reference(key, _version(answer))

    def put_many(self, images: Sequence[NewImage]) -> list[Reference]:
        return put_all(self, self._threads, images, S3_CONCURRENCY)

    def get(self, reference: Reference) -> bytes:
        key, version = reference
        answer = self._call("get_object", Key=key)
        if version and _version(answer) != version:
            if ETAG.fullmatch(version):  # of an unversioned bucket: what it named is gone
                raise ImageNotFound(key)
            answer = self._call("get_object", Key=key, VersionId=version)
        data: bytes = answer["Body"]
        return data

    def get_many(self, references: Sequence[Reference]) -> list[bytes | NoBytes]:
        return list(self._threads.map(lambda one: get_or_error(self, one), references))

    def describe(self, key: str) -> Described:
        """Return what is known of the object under a whole key; raises ``ImageNotFound``."""
        answer = self._call("head_object", Key=key)
        return Described(
            Reference(key, _version(answer)),
            answer.get("ContentType", ""),
            int(answer["ContentLength"]),
            answer.get("Metadata", {}),
        )

    def below_prefix(self, key: str) -> str | None:
        """Return a whole key without this store's prefix; None if it is not of this store."""
        return key.removeprefix(self._prefix) if key.startswith(self._prefix) else None

    def presign(
        self, key: str, *, notes: Mapping[str, str], max_bytes: int, valid_s: int
    ) -> tuple[str, dict[str, Any]]:
        """Return the whole key, and a form (``url``, ``fields``) that stores one object there.

        S3 refuses what is larger than ``max_bytes``, or comes after ``valid_s``. Asks nobody.
        """
        key = self._prefix + key
        fields = {f"x-amz-meta-{name}": value for name, value in notes.items()}
        form = self._client.generate_presigned_post(
            self.bucket,
            key,
            Fields=fields,
            Conditions=[
                ["content-length-range", 1, max_bytes],
                *({name: value} for name, value in fields.items()),
            ],
            ExpiresIn=valid_s,
        )
        return key, form

    def delete(self, reference: Reference) -> None:
        self._call("delete_object", Key=reference.key)

    def delete_many(self, references: Sequence[Reference]) -> list[Reference]:
        gone = []
        for start in range(0, len(references), DELETE_AT_ONCE):
            some = references[start : start + DELETE_AT_ONCE]
            objects = {"Objects": [{"Key": one.key} for one in some], "Quiet": True}
            try:
                told = self._call("delete_objects", Delete=objects)
            except StoreError as error:
                log.warning("%d images stay where they are: %s", len(some), error)
                continue
            stay = {one["Key"]: one for one in told.get("Errors", [])}
            for key, why in stay.items():
                log.warning("%s stays where it is: %s", key, why.get("Message"))
            gone += [one for one in some if one.key not in stay]
        return gone

    def presigned_get(self, reference: Reference, *, content_type: str, valid_s: int) -> str:
        """Return an address that gives an image to whoever has it, as ``content_type``."""
        key, version = reference
        named = {} if ETAG.fullmatch(version) else {"VersionId": version}
        url: str = self._client.generate_presigned_url(
            "get_object",
            {
                "Bucket": self.bucket,
                "Key": key,
                "ResponseContentType": content_type,
                "ResponseContentDisposition": "inline",
                **named,
            },
            ExpiresIn=valid_s,
        )
        return url

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer: dict[str, Any] = getattr(self._client, operation)(
                Bucket=self.bucket, **arguments
            )
            if "Body" in answer:  # which comes over the network only when it is read
                with closing(answer["Body"]) as body:
                    if answer["ContentLength"] > self._max_bytes:
                        raise ImageTooLarge(
                            f"{answer['ContentLength']} bytes; at most {self._max_bytes}"
                        )
                    answer["Body"] = body.read()
            return answer
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchVersion", "404"):
                raise ImageNotFound(arguments["Key"]) from error
            status = error.response["ResponseMetadata"].get("HTTPStatusCode", 500)
            if 400 <= status < 500 and status not in TOO_BUSY:
                raise ImageRefused(f"image store: {arguments.get('Key', '')}: {error}") from error
            raise ImageStoreError(f"image store: {error}") from error
        except BotoCoreError as error:
            raise ImageStoreError(f"image store: {error}") from error


def _s3_client(endpoint_url: str) -> Any:
    # Here and not above: a file store needs neither. boto3 makes the same client, and takes
    # half as long again (its resources, and transfers of files in parts).
    from botocore.config import Config
    from botocore.session import get_session

    return get_session().create_client(
        "s3",
        endpoint_url=endpoint_url or None,
        config=Config(
            connect_timeout=S3_CONNECT_TIMEOUT_S,
            read_timeout=S3_READ_TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": S3_TRIES},
            max_pool_connections=S3_CONCURRENCY,
            # For presigned forms: what botocore would take, new buckets refuse.
            signature_version="s3v4",
            s3={} if endpoint_url else {"addressing_style": "virtual"},
        ),
    )


def version_of(version_id: str | None, etag: str) -> str:
    """Return the version that an object's reference names, of what S3 says of it.

    "null" is the id of what was stored while a bucket kept no versions.
    """
    return etag.strip('"') if version_id in (None, "", "null") else str(version_id)


def _version(answer: Mapping[str, Any]) -> str:
    return version_of(answer.get("VersionId"), answer["ETag"])
