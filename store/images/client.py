"""The connection to S3, or to a compatible store."""

from __future__ import annotations

from typing import Any

from store.images.base import PUT_AT_ONCE

# S3 answers one request in 10-50 ms whatever its size: ask for a batch's images together.
S3_CONCURRENCY = 16
# Three tries end within 20 s, their pauses included: before a row counts as left lying
# (SKYLANE_STALE_AFTER_S), and before Lambda ends an invocation (inferTimeoutS).
S3_CONNECT_TIMEOUT_S, S3_READ_TIMEOUT_S, S3_TRIES = 2, 5, 3


def s3_client(endpoint_url: str) -> Any:
    """Make the client of botocore for S3; an address of "" is AWS itself."""
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
            max_pool_connections=PUT_AT_ONCE * S3_CONCURRENCY,
            # For presigned forms: what botocore would take, new buckets refuse.
            signature_version="s3v4",
            s3={} if endpoint_url else {"addressing_style": "virtual"},
        ),
    )
