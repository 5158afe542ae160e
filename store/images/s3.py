"""Images as objects in a bucket of S3, or of a compatible store, under a prefix."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

from store.errors import ImageNotFound, ImageRefused, ImageStoreError, ImageTooLarge, StoreError
from store.images.base import PUT_AT_ONCE, NewImage, NoBytes, get_or_error, put_all
from store.images.client import S3_CONCURRENCY, s3_client
from store.references import Reference

log = logging.getLogger(__name__)

DEFAULT_MAX_BYTES = 10 * 1024 * 1024
DELETE_AT_ONCE = 1000  # objects, as many as S3 takes
TOO_BUSY = (408, 429)  # HTTP statuses below 500 that do not speak of the one object
# What S3 says of an object that is not there, or is another one than was asked for.
GONE = ("NoSuchKey", "NoSuchVersion", "PreconditionFailed")

ETAG = re.compile(r"[0-9a-f]{32}(-\d+)?")
NULL = "null"  # version id of what was stored while a bucket kept no versions


@dataclass(frozen=True)
class Described:
    """What an S3 store knows of an object besides its bytes; ``notes`` are its metadata."""

    reference: Reference
    content_type: str
    size_bytes: int
    notes: Mapping[str, str]


class S3Images:
    """Images as objects in a bucket, under a prefix."""

    at_once = S3_CONCURRENCY

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
        self._puts = ThreadPoolExecutor(PUT_AT_ONCE * S3_CONCURRENCY, thread_name_prefix="s3-put")
        self._connecting = threading.Lock()
        self._made: Any = None

    @property
    def _client(self) -> Any:
        # Made when it is first needed: it takes a quarter of a second and 40 MB, and who only
        # asks for results needs none.
        if self._made is None:
            with self._connecting:
                self._made = self._made or s3_client(self._endpoint_url)
        return self._made

    def connect(self) -> None:
        _ = self._client

    def put(self, key: str, data: bytes, content_type: str) -> Reference:
        key = self._prefix + key
        answer = self._call("put_object", Key=key, Body=data, ContentType=content_type)
        return Reference(key, _version(answer))

    def put_many(self, images: Sequence[NewImage]) -> list[Reference]:
        return put_all(self, self._puts, images, S3_CONCURRENCY)

    def get(self, reference: Reference) -> bytes:
        data: bytes = self._find("get_object", reference)["Body"]
        return data

    def open(self, reference: Reference) -> tuple[BinaryIO, int]:
        data = self.get(reference)  # or who reads slowly would keep a connection to S3
        return BytesIO(data), len(data)

    def get_many(self, references: Sequence[Reference]) -> list[bytes | NoBytes]:
        return list(self._threads.map(lambda one: get_or_error(self, one), references))

    def describe(self, reference: Reference) -> Described:
        """Return what is known of an object, its key being whole; raises ``ImageNotFound``.

        One that was overwritten where no versions are kept is described as what is there now:
        it was not deleted, and somebody has to hear that it was lost.
        """
        try:
            answer = self._find("head_object", reference)
        except ImageNotFound:
            if not ETAG.fullmatch(reference.version):
                raise
            answer = self._call("head_object", Key=reference.key)
            if "VersionId" in answer:
                raise
        return Described(
            Reference(reference.key, _version(answer)),
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
        """Remove what ``reference`` names: one version for good, and no other of its key."""
        try:
            named = self._to_delete(reference)
            if etag := named.pop("ETag", None):
                named["IfMatch"] = etag
            self._call("delete_object", **named)
        except ImageNotFound:
            pass  # or overwritten by now, which is for another reference to say

    def delete_many(self, references: Sequence[Reference]) -> list[Reference]:
        gone = []
        for start in range(0, len(references), DELETE_AT_ONCE):
            some = references[start : start + DELETE_AT_ONCE]
            told = zip(some, self._threads.map(self._to_delete_or_error, some), strict=True)
            named: dict[Reference, dict[str, str]] = {}
            for one, what in told:
                if isinstance(what, ImageNotFound):
                    gone.append(one)
                elif isinstance(what, StoreError):
                    log.warning("%s stays where it is: %s", one.key, what)
                else:
                    named[one] = what
            gone += self._delete_together(named)
        return gone

    def _delete_together(self, named: Mapping[Reference, dict[str, str]]) -> list[Reference]:
        """Delete in one request, or one by one where that is refused; return what is gone."""
        if not named:
            return []
        try:
            told = self._call(
                "delete_objects", Delete={"Objects": list(named.values()), "Quiet": True}
            )
        except ImageRefused:
            # One key that XML cannot say has all of them refused.
            return [one for one in self._threads.map(self._deleted, named) if one]
        except StoreError as error:
            log.warning("%d images stay where they are: %s", len(named), error)
            return []
        stay = set()
        for one in told.get("Errors", []):
            if one.get("Code") not in GONE:
                stay.add((one["Key"], one.get("VersionId")))
                log.warning("%s stays where it is: %s", one["Key"], one.get("Message"))
        return [
            one
            for one, what in named.items()
            if not stay & {(one.key, what.get("VersionId")), (one.key, None)}
        ]

    def _deleted(self, reference: Reference) -> Reference | None:
        try:
            self.delete(reference)
        except StoreError as error:
            log.warning("%s stays where it is: %s", reference.key, error)
            return None
        return reference

    def _to_delete(self, reference: Reference) -> dict[str, str]:
        """Return how S3 is told to delete this and nothing else; raises ``ImageNotFound``.

        A key may be overwritten by whoever copies to the bucket, and what came later has a row
        of its own. So an ETag is looked for first, and it is a condition besides: it may be
        overwritten between the two. (Some compatible stores do not know the condition.)
        """
        key, version = reference
        if not version:
            return {"Key": key}
        if not ETAG.fullmatch(version):
            return {"Key": key, "VersionId": version}
        found = self._find("head_object", reference)
        if version_id := found.get("VersionId"):  # without it, there would only be a marker
            return {"Key": key, "VersionId": version_id}
        return {"Key": key, "ETag": found["ETag"]}

    def _to_delete_or_error(
        self, reference: Reference
    ) -> dict[str, str] | ImageNotFound | StoreError:
        try:
            return self._to_delete(reference)
        except (ImageNotFound, StoreError) as error:
            return error

    def _find(self, operation: str, reference: Reference) -> dict[str, Any]:
        """Ask for the very object that ``reference`` names; raises ``ImageNotFound``.

        By its key at first: that needs no permission to read versions. Another one may lie
        there by now, or in a bucket with versions a marker that it was deleted.
        """
        key, version = reference
        is_etag = ETAG.fullmatch(version)
        try:
            answer = self._call(operation, Key=key)
        except (ImageNotFound, ImageTooLarge):
            if not version:
                raise
        else:
            if not version or _version(answer) == version:
                return answer
            if is_etag and "VersionId" not in answer:  # overwritten, where none are kept
                raise ImageNotFound(key)
        if not is_etag:
            return self._call(operation, Key=key, VersionId=version)
        # It came before the bucket kept versions; or its id looks like an ETag, as SeaweedFS's
        # do. Where no version can be asked for, there is none.
        for version_id in (NULL, version):
            try:
                answer = self._call(operation, Key=key, VersionId=version_id)
            except (ImageNotFound, ImageRefused):
                continue
            if _version(answer) == version:
                return answer
        raise ImageNotFound(key)

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
            code = error.response["Error"]["Code"]
            if code == "404" and operation == "head_object":
                # No answer to HEAD says what is not there, and it may be the whole bucket. One to
                # GET does, and needs the same permission.
                return self._call("get_object", **arguments)
            if code in GONE:
                raise ImageNotFound(arguments.get("Key", "")) from error
            status = error.response["ResponseMetadata"].get("HTTPStatusCode", 500)
            if 400 <= status < 500 and status not in TOO_BUSY:
                raise ImageRefused(f"image store: {arguments.get('Key', '')}: {error}") from error
            raise ImageStoreError(f"image store: {error}") from error
        except BotoCoreError as error:
            raise ImageStoreError(f"image store: {error}") from error


def version_of(version_id: str | None, etag: str) -> str:
    """Return the version that an object's reference names, of what S3 says of it."""
    return etag.strip('"') if version_id in (None, "", NULL) else str(version_id)


def _version(answer: Mapping[str, Any]) -> str:
    return version_of(answer.get("VersionId"), answer["ETag"])
