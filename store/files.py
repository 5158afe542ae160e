"""A file from S3, once, and only if it is the one that was meant."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from store.errors import StoreError

ADDRESS = re.compile(r"s3://(?P<bucket>[^/]+)/(?P<key>[^#]+)#sha256=(?P<digest>[0-9a-f]{64})")


def fetch(address: str, folder: Path, endpoint_url: str = "") -> Path:
    """Return the path of ``s3://bucket/key#sha256=DIGEST`` in ``folder``, fetched if need be.

    It lies under the name of its digest, and is never half a file: what is there is used.

    Raises:
        ValueError: it is no such address.
        StoreError: it could not be had, or has another digest.
    """
    parts = ADDRESS.fullmatch(address)
    if not parts:
        raise ValueError(f"{address!r} is not s3://BUCKET/KEY#sha256=DIGEST")
    path = folder / f"{parts['digest']}{Path(parts['key']).suffix}"
    if path.exists():
        return path
    # Here and not above: whoever has all files with him needs neither.
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        client = boto3.client("s3", endpoint_url=endpoint_url or None)
        client.download_file(parts["bucket"], parts["key"], str(partial))
        with partial.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != parts["digest"]:
            raise StoreError(f"{address} has the digest {found}")
        os.replace(partial, path)
    except (BotoCoreError, ClientError, OSError) as error:
        raise StoreError(f"{address} could not be fetched: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return path
