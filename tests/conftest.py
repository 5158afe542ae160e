"""Real servers, once a session; a database of its own for each test that asks for one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest

from local.interrupts import interruptible
from local.s3 import BUCKET, s3_server
from local.stack import embedded
from settings import Settings
from store.database import Database
from store.migrations import migrate
from store.predictions import Predictions
from store.records import NewPrediction
from store.references import Reference
from tests.stack import Stack

TILES = Path(__file__).parent / "data" / "eurosat"


@pytest.fixture(scope="session", autouse=True)
def interrupts() -> Iterator[None]:
    """Have whoever ends the tests, by whatever signal, end the servers with them."""
    with interruptible():
        yield


@pytest.fixture(scope="session")
def tiles() -> list[Path]:
    """Return 50 real tiles, five of each class, from the test split."""
    return sorted(TILES.glob("*/*.jpg"))


@pytest.fixture(scope="session")
def tile(tiles: list[Path]) -> bytes:
    """Return one real tile, a forest."""
    return next(path for path in tiles if path.parent.name == "Forest").read_bytes()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Run PostgreSQL and a Redis-protocol server; give their addresses."""
    home = tmp_path_factory.mktemp("servers")
    with embedded(Settings(home=home)) as addresses:
        # No test has the machine crash under this one, so nothing has to wait for the disk.
        with _administrator(addresses[0]) as admin:
            for waits in ("fsync", "full_page_writes"):
                admin.execute(f"ALTER SYSTEM SET {waits} = off")
            admin.execute("SELECT pg_reload_conf()")
        yield addresses


@pytest.fixture(scope="session")
def broker_url(servers: tuple[str, str]) -> str:
    """Return the address of the Redis-protocol server."""
    return servers[1]


@pytest.fixture(scope="session")
def migrated(servers: tuple[str, str]) -> Iterator[str]:
    """Make an empty, migrated database to copy, and give its name: copies take half the time."""
    name = f"migrated_{uuid4().hex}"
    with _administrator(servers[0]) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        migrate(_named(servers[0], name))
        yield name
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database_url(servers: tuple[str, str], migrated: str) -> Iterator[str]:
    """Make an empty, migrated database and drop it afterwards."""
    name = f"test_{uuid4().hex}"
    with _administrator(servers[0]) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {migrated}")
        yield _named(servers[0], name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def _administrator(url: str) -> Iterator[psycopg2.extensions.cursor]:
    connection = psycopg2.connect(url)
    connection.autocommit = True  # databases are not made in a transaction
    try:
        yield connection.cursor()
    finally:
        connection.close()


def _named(url: str, database: str) -> str:
    parameters = psycopg2.extensions.parse_dsn(url) | {"dbname": database}
    return str(psycopg2.extensions.make_dsn(**parameters))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Return a pool on a database of its own."""
    pool = Database(database_url)
    yield pool
    pool.close()


@pytest.fixture
def predictions(database: Database) -> Predictions:
    """Return the predictions of a database of its own."""
    return Predictions(database)


@pytest.fixture
def accept(predictions: Predictions) -> Callable[..., list[Reference]]:
    """Return a function that inserts pending rows and returns their references."""

    def insert(n: int = 1, **members: str) -> list[Reference]:
        rows = [
            NewPrediction(
                request_id=(request_id := uuid4()),
                lane=members.get("lane", "on-prem"),
                image_name="tile.jpg",
                content_type="image/jpeg",
                size_bytes=1,
                sha256=hashlib.sha256(b"").hexdigest(),
                reference=Reference(members.get("key", str(request_id))),
                true_label=members.get("true_label"),
            )
            for _ in range(n)
        ]
        predictions.insert(rows)
        return [row.reference for row in rows]

    return insert


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run an S3-compatible server with one bucket, and return its address."""
    with s3_server(tmp_path_factory.mktemp("s3")) as address:
        yield address


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run everything, as `./run` does."""
    with Stack(tmp_path_factory.mktemp("stack") / "home") as running:
        yield running


@pytest.fixture(scope="session")
def s3_stack(tmp_path_factory: pytest.TempPathFactory, s3_endpoint: str) -> Iterator[Stack]:
    """Run everything, with images on S3."""
    settings = {
        "SKYLANE_IMAGES_URL": f"s3://{BUCKET}/images",
        "SKYLANE_S3_ENDPOINT_URL": s3_endpoint,
    }
    with Stack(tmp_path_factory.mktemp("s3-stack") / "home", **settings) as running:
        yield running


@pytest.fixture(scope="session")
def api_url(stack: Stack) -> str:
    """Return the address of a running API with a worker behind it."""
    return stack.url
