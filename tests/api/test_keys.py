"""Where keys are required, nothing but what is public is answered without one that may ask it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg2
import pytest

from api import events, known_keys
from store.database import Database
from store.errors import StoreError
from store.keys import Key, Keys, Secret
from store.workers import Workers

SOMEBODY = "/results/0b1c2d3e-0000-4000-8000-000000000000"
PUBLIC = ["/health", "/ready", "/config.json", "/", "/openapi/openapi.json", "/openapi/swagger"]


@pytest.fixture
def asked(make: Callable[..., Any]) -> Any:
    """Return a client of an API that requires keys."""
    return make(access="keys").test_client()


@pytest.fixture
def keys(database: Database) -> Keys:
    return Keys(database)


def headers(secret: Secret) -> dict[str, str]:
    return {"X-API-Key": secret.text}


def test_a_key_opens_the_door_by_either_header(asked: Any, keys: Keys, tile: bytes) -> None:
    secret = keys.create("camera")
    for told in (headers(secret), {"Authorization": f"bearer {secret.text}"}):
        assert asked.get("/results", headers=told).status_code == 200
        answer = asked.post(
            "/upload?wait=0", data=tile, headers={**told, "Content-Type": "image/jpeg"}
        )
        assert answer.status_code == 202
        path = f"/images/{answer.json['request_id']}"
        assert asked.get(path, headers=told).data == tile
        assert asked.get(path).status_code == 401
    assert keys.all()[0].last_used_at


def test_every_route_but_the_public_ones_is_shut(make: Callable[..., Any]) -> None:
    app = make(access="keys")
    asked, shut = app.test_client(), set()
    for rule in app.url_map.iter_rules():
        path = rule.rule.replace("<request_id>", SOMEBODY.rpartition("/")[2])
        if path in PUBLIC or path.startswith("/openapi/"):
            continue
        for method in rule.methods - {"OPTIONS"}:
            answer = asked.open(path, method=method)
            assert answer.status_code == 401, (method, path)
            if method != "HEAD":
                assert answer.json["code"] == "missing_key"
            assert answer.headers["WWW-Authenticate"] == 'Bearer realm="skylane"'
            shut.add(path)
    assert {"/upload", "/results", "/results.csv", "/events", "/stats", "/metrics", "/about"} < shut
    assert asked.get("/nothing").status_code == 401  # what there is, is nobody's business either


def test_what_is_public_is_answered_and_says_little(asked: Any, database: Database) -> None:
    Workers(database).beat("worker@secret-host", "on-prem", "v1", 100.0)
    for path in PUBLIC:
        answer = asked.get(path)
        assert answer.status_code in (200, 503), path
        assert "secret-host" not in answer.text
    assert asked.options("/upload").status_code == 200


NONE = "missing_key"
BAD = "invalid_key"


def test_what_is_no_key_is_refused_and_not_repeated(asked: Any) -> None:
    for name, value, code in (
        ("Accept", "*/*", NONE),
        ("X-API-Key", "", NONE),
        ("Authorization", "Basic aHVudGVyMg==", NONE),
        ("Authorization", "AWS4-HMAC-SHA256 Credential=hunter2", NONE),
        ("X-API-Key", "hunter2", BAD),
        ("Authorization", "Bearer hunter2", BAD),
        ("X-API-Key", "skl_" + "a" * 56, BAD),
        ("X-API-Key", "skl_' OR 1=1 --" + "a" * 45, BAD),
    ):
        answer = asked.get("/results", headers={name: value})
        assert (answer.status_code, answer.json["code"]) == (401, code), value
        assert ("invalid_token" in answer.headers["WWW-Authenticate"]) == (code == BAD)
        assert "hunter2" not in answer.text


def test_a_key_with_another_secret_is_none(asked: Any, keys: Keys) -> None:
    secret = keys.create("camera")
    assert asked.get("/results", headers=headers(secret)).status_code == 200
    forged = {"X-API-Key": secret.text[:-1] + ("a" if secret.text[-1] != "a" else "b")}
    assert asked.get("/results", headers=forged).json["code"] == "invalid_key"


def test_a_key_does_what_its_scope_says(asked: Any, keys: Keys, tile: bytes) -> None:
    reader, writer = (headers(keys.create(scope, [scope])) for scope in ("read", "write"))

    def sent(told: dict[str, str]) -> Any:
        return asked.post(
            "/upload?wait=0", data=tile, headers={**told, "Content-Type": "image/jpeg"}
        )

    for ask in (asked.get, asked.head):
        assert ask("/results", headers=reader).status_code == 200
        assert ask("/results", headers=writer).status_code == 403
    assert sent(writer).status_code == 202
    assert asked.delete(SOMEBODY, headers=writer).status_code == 404
    for answer in (sent(reader), asked.delete(SOMEBODY, headers=reader)):
        assert (answer.status_code, answer.json["code"]) == (403, "insufficient_scope")
        assert 'scope="write"' in answer.headers["WWW-Authenticate"]


def test_a_revoked_key_is_refused_within_the_bound(
    asked: Any, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = keys.create("camera")
    assert asked.get("/results", headers=headers(secret)).status_code == 200
    keys.revoke("camera")
    assert asked.get("/results", headers=headers(secret)).status_code == 200  # from memory
    assert known_keys.FRESH_S < known_keys.LONGEST_S == 10
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + known_keys.FRESH_S)
    assert asked.get("/results", headers=headers(secret)).json["code"] == "invalid_key"


def test_a_clock_that_is_set_back_prolongs_no_memory(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = keys.create("camera")
    known = known_keys.KnownKeys(keys)
    started_s, wall_s = time.monotonic(), time.time()
    assert known.owner(secret.text)
    keys.revoke("camera")
    monkeypatch.setattr(time, "time", lambda: wall_s - 3600)
    assert known.owner(secret.text)  # from memory
    monkeypatch.setattr(time, "monotonic", lambda: started_s + known_keys.LONGEST_S)
    assert known.owner(secret.text) is None


def test_a_key_is_known_no_longer_than_the_bound_however_long_it_is_asked_for(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, known, now_s = keys.create("camera"), known_keys.KnownKeys(keys), 0.0
    monkeypatch.setattr(known_keys, "_clocks", lambda: (now_s, now_s))
    assert known.owner(secret.text)

    def hang(_: str) -> Key:
        nonlocal now_s
        now_s += 2.0
        raise StoreError("database: all connections are in use")

    monkeypatch.setattr(keys, "find", hang)
    now_s = known_keys.LONGEST_S - 2.5
    assert known.owner(secret.text)
    now_s = known_keys.LONGEST_S - 1.5
    with pytest.raises(StoreError):
        known.owner(secret.text)


def test_a_stream_ends_when_its_key_is_revoked(
    asked: Any, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_keys, "FRESH_S", 0.0)
    monkeypatch.setattr(events, "SILENCE_S", 0.0)
    monkeypatch.setattr(events, "LONGEST_S", 3.0)
    told = headers(keys.create("camera"))
    answer = asked.get(f"/events?request_id={uuid4()}", headers=told, buffered=False)
    chunks = answer.iter_encoded()
    assert [next(chunks) for _ in range(2)] == [b"retry: 1000\n\n", b": nothing new\n\n"]
    keys.revoke("camera")
    assert list(chunks) == []
    answer.close()
    again = asked.get(f"/events?request_id={uuid4()}", headers=told)
    assert (again.status_code, again.json["code"]) == (401, "invalid_key")


def test_a_key_that_was_made_now_is_taken_now(asked: Any, keys: Keys) -> None:
    early = Secret.new()
    assert asked.get("/results", headers=headers(early)).status_code == 401
    keys.create("camera", secret=early)
    assert asked.get("/results", headers=headers(early)).status_code == 200


def test_a_database_that_is_away_makes_no_key_wrong(
    make: Callable[..., Any], keys: Keys, database_url: str
) -> None:
    secret = keys.create("camera")
    parts = psycopg2.extensions.parse_dsn(database_url)
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = str(nobody.getsockname()[1])
    away = psycopg2.extensions.make_dsn(**parts | {"host": "127.0.0.1", "port": port})
    asked = make(url=away, access="keys").test_client()
    answer = asked.get("/results", headers=headers(secret))
    assert (answer.status_code, answer.json["code"]) == (503, "store_unavailable")
    assert "Retry-After" in answer.headers
    # What is no key at all needs no database to be refused.
    assert asked.get("/results", headers={"X-API-Key": "x"}).status_code == 401


def test_the_document_says_that_a_key_is_needed_where_one_is(make: Callable[..., Any]) -> None:
    told = make(access="keys").test_client().get("/openapi/openapi.json").json
    assert told["components"]["securitySchemes"]["key"]["name"] == "X-API-Key"
    assert told["security"] == [{"key": []}, {"bearer": []}]
    assert {"401", "403", "429"} < set(told["paths"]["/results"]["get"]["responses"])
    assert told["paths"]["/health"]["get"]["security"] == []
    for chosen, refused in (({}, {"403"}), ({"access": "open"}, set())):
        told = make(**chosen).test_client().get("/openapi/openapi.json").json
        assert "security" not in told
        responses = set(told["paths"]["/results"]["get"]["responses"])
        assert {"401", "403", "429"} & responses == refused
        assert "403" not in told["paths"]["/health"]["get"]["responses"]


class Counting(Keys):
    """Counts how often it is asked."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.found, self.touched = 0, 0
        self._lock = threading.Lock()

    def find(self, key_id: str) -> Key | None:
        with self._lock:
            self.found += 1
        return super().find(key_id)

    def touch(self, key_id: str) -> None:
        self.touched += 1
        super().touch(key_id)


@pytest.fixture
def counting(database: Database) -> Counting:
    return Counting(database)


def test_a_key_in_use_is_looked_up_once_in_a_while(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = counting.create("camera")
    known = known_keys.KnownKeys(counting)
    assert all(known.owner(secret.text) for _ in range(100))
    assert (counting.found, counting.touched) == (1, 1)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + known_keys.FRESH_S)
    with ThreadPoolExecutor(32) as pool:  # they come at once, and one of them asks
        assert all(pool.map(known.owner, [secret.text] * 320))
    assert counting.found < 32
    assert counting.touched == 1


def test_only_keys_that_exist_are_remembered(counting: Counting) -> None:
    known = known_keys.KnownKeys(counting)
    for _ in range(50):
        assert known.owner(Secret.new().text) is None
    assert known._known == {}
