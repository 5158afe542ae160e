"""Stores are reached by TLS where their addresses say so, and under their own certificates only."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2.extensions
import pytest
import redis
import requests
import trustme

from local.broker import _binary
from settings import ROOT
from store.database import Database
from store.errors import StoreError
from tests.cli.command import environment
from tests.stack import Stack, until
from tests.tls import tls_front

PASSWORD = "open-sesame"  # noqa: S105


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Path:
    """Return the authority's certificate, as a file."""
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def database_port(database_url: str, authority: trustme.CA) -> Iterator[int]:
    parts = psycopg2.extensions.parse_dsn(database_url)
    upstream = f"{parts['host']}/.s.PGSQL.{parts['port']}"
    with tls_front(upstream, authority, postgres=True) as port:
        yield port


@pytest.fixture
def secure_url(database_url: str, database_port: int, certificates: Path) -> str:
    """Return the database's address, by TLS."""
    parts = psycopg2.extensions.parse_dsn(database_url)
    return (
        f"postgresql://{parts['user']}:any@localhost:{database_port}/{parts['dbname']}"
        f"?sslmode=verify-full&sslrootcert={certificates}"
    )


@pytest.fixture(scope="module")
def secure_broker_url(
    tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA, certificates: Path
) -> Iterator[str]:
    """Run a broker with a password, reached by TLS."""
    folder = tmp_path_factory.mktemp("broker")
    path = folder / "socket"
    command = [str(_binary()), "-"]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert server.stdin
    server.stdin.write(
        f"port 0\nunixsocket {path}\ndir {folder}\nsave ''\nrequirepass {PASSWORD}\n".encode()
    )
    server.stdin.close()
    try:
        until(path.exists)
        with tls_front(str(path), authority) as port:
            yield (
                f"rediss://:{PASSWORD}@localhost:{port}/0"
                f"?ssl_cert_reqs=required&ssl_ca_certs={certificates}"
            )
    finally:
        server.terminate()
        server.wait(20)


def test_a_stack_works_by_tls_and_passwords_from_end_to_end(
    tmp_path: Path, secure_url: str, secure_broker_url: str, tile: bytes
) -> None:
    own = {
        "DATABASE_URL": secure_url,
        "BROKER_URL": secure_broker_url,
        "SKYLANE_RATE_LIMIT": "100/minute",
    }
    with Stack(tmp_path / "home", **own) as stack:
        answer = requests.post(
            f"{stack.url}/upload?wait=30", files={"file": ("a.jpg", tile)}, timeout=60
        )
        assert (answer.status_code, answer.json()["status"]) == (200, "done")
        assert "RateLimit" in answer.headers  # which is counted there as well


def test_another_authoritys_certificate_is_refused(
    tmp_path: Path, secure_url: str, secure_broker_url: str, certificates: Path
) -> None:
    Database(secure_url).query("SELECT 1")
    stranger = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    with pytest.raises(StoreError, match="certificate verify failed"):
        Database(secure_url.replace(str(certificates), str(stranger))).query("SELECT 1")
    with pytest.raises(redis.ConnectionError, match=r"(?i)certificate"):
        redis.Redis.from_url(secure_broker_url.replace(str(certificates), str(stranger))).ping()
    # And as our programs reach it.
    script = "from tasks.celery_app import queue_depth; print(queue_depth())"
    for file, works in ((certificates, True), (stranger, False)):
        url = secure_broker_url.replace(str(certificates), str(file))
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=environment(BROKER_URL=url) | {"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
        )
        assert (done.returncode == 0) == works, done.stderr
        assert PASSWORD not in done.stderr


def test_another_hosts_certificate_is_refused(secure_url: str) -> None:
    with pytest.raises(StoreError, match="does not match host name"):
        Database(secure_url.replace("localhost", "127.0.0.1")).query("SELECT 1")
