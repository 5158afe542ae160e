"""A key makes as many requests as it may, and one more is told when to come again."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from api import create_app, limits
from api.limits import Limiter, storage_url
from settings import ROOT, Settings
from store.database import Database
from store.keys import Keys, Secret

NOBODY = "redis://127.0.0.1:1"


@pytest.fixture
def make(tmp_path: Path, database_url: str, broker_url: str) -> Callable[..., Any]:
    """Return a function that makes a client of an API with such settings."""

    def made(broker: str = broker_url, **chosen: Any) -> Any:
        own = Settings(home=tmp_path, images_url=tmp_path.as_uri(), **chosen)
        addresses = {"database_url": database_url, "broker_url": broker}
        return create_app(own.model_copy(update=addresses)).test_client()

    return made


@pytest.fixture
def keys(database: Database) -> Keys:
    return Keys(database)


def headers(secret: Secret) -> dict[str, str]:
    return {"X-API-Key": secret.text}


def statuses(asked: Any, n: int, **request: Any) -> list[int]:
    return [asked.get("/results", **request).status_code for _ in range(n)]


def test_beyond_its_limit_a_key_is_told_when_to_come_again(
    make: Callable[..., Any], keys: Keys
) -> None:
    asked = make(access="keys", rate_limit="3/hour")
    told = headers(keys.create("camera"))
    first = asked.get("/results", headers=told)
    assert first.headers["RateLimit-Policy"] == '"requests";q=3;w=3600'
    assert re.fullmatch(r'"requests";r=2;t=\d+', first.headers["RateLimit"])
    assert statuses(asked, 3, headers=told) == [200, 200, 429]
    refused = asked.get("/results", headers=told)
    assert (refused.status_code, refused.json["code"]) == (429, "rate_limited")
    assert refused.mimetype == "application/problem+json"
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    assert refused.headers["RateLimit"].startswith('"requests";r=0;')
    # It is this key's limit, and others go on; nor do machines that look after us count.
    assert statuses(asked, 1, headers=headers(keys.create("other"))) == [200]
    assert [asked.get("/health").status_code for _ in range(5)] == [200] * 5


def test_all_processes_count_together(make: Callable[..., Any], keys: Keys) -> None:
    told = headers(keys.create("camera"))
    one, other = (make(access="keys", rate_limit="3/hour") for _ in range(2))
    assert statuses(one, 2, headers=told) == [200, 200]
    assert statuses(other, 2, headers=told) == [200, 429]


def test_a_key_may_have_a_limit_of_its_own(make: Callable[..., Any], keys: Keys) -> None:
    few = headers(keys.create("few", rate_limit="1/hour"))
    many = headers(keys.create("many", rate_limit="100/hour"))
    for asked in (make(access="keys"), make(access="keys", rate_limit="3/day")):
        assert statuses(asked, 5, headers=many) == [200] * 5
    assert statuses(asked, 2, headers=few) == [200, 429]


def test_where_no_keys_are_needed_an_address_has_the_limit(make: Callable[..., Any]) -> None:
    asked = make(access="open", rate_limit="2/hour")
    # Addresses of their own, for the counts outlive a test.
    mine, theirs = (f"fd00::{uuid4().hex[:4]}" for _ in range(2))
    assert statuses(asked, 3, environ_base={"REMOTE_ADDR": mine}) == [200, 200, 429]
    assert statuses(asked, 1, environ_base={"REMOTE_ADDR": theirs}) == [200]


def test_a_broker_that_is_away_limits_nobody(
    make: Callable[..., Any], keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    asked = make(broker=NOBODY, access="keys", rate_limit="1/hour")
    answers = [
        asked.get("/results", headers=headers(keys.create("camera", rate_limit=None))),
        *(asked.get("/results", headers=headers(keys.create(f"{n}"))) for n in range(3)),
    ]
    assert [one.status_code for one in answers] == [200] * 4
    assert "RateLimit" not in answers[0].headers
    assert caplog.text.count("requests are not counted") == 1  # and not a line for each


def test_one_request_at_a_time_asks_a_broker_that_hangs(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "AWAY_S", 0.0)  # so that the next that comes may ask again
    with socket.create_server(("127.0.0.1", 0)) as hangs, ThreadPoolExecutor(20) as pool:
        url = f"redis://127.0.0.1:{hangs.getsockname()[1]}"
        limiter = Limiter(Settings().model_copy(update={"broker_url": url}))

        def held_up_s(_: int) -> float:
            started = time.monotonic()
            assert limiter.hit("1/hour", "key", "a") is None
            return time.monotonic() - started

        waits = sorted(pool.map(held_up_s, range(20)))
    assert sum(one < limits.REDIS_TIMEOUT_S / 2 for one in waits) >= 18
    assert waits[-1] >= limits.REDIS_TIMEOUT_S
    assert caplog.text.count("requests are not counted") == 1


def test_a_broker_that_comes_back_counts_again(
    broker_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter = Limiter(Settings().model_copy(update={"broker_url": broker_url}))
    who = ("key", uuid4().hex)
    assert limiter.hit("3/hour", *who)
    with monkeypatch.context() as away:
        away.setattr(limiter, "_limiter", lambda: 1 / 0)
        assert [limiter.hit("3/hour", *who) for _ in range(3)] == [None] * 3
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + limits.AWAY_S)
    assert (rate := limiter.hit("3/hour", *who))
    assert rate.left == 1
    assert caplog.messages == [
        "requests are not counted: ZeroDivisionError",
        "requests are counted again",
    ]


def test_processes_that_cannot_count_together_say_so(caplog: pytest.LogCaptureFixture) -> None:
    limiter = Limiter(Settings().model_copy(update={"broker_url": "amqp://h"}))
    assert [rate.allowed for _ in range(2) if (rate := limiter.hit("1/hour", "a"))] == [True, False]
    assert caplog.messages == ["the broker is no Redis: each process counts requests for itself"]


def test_the_cloud_counts_in_memory() -> None:
    assert storage_url(Settings(lane="serverless")) == "memory://"
    for theirs, ours in (
        ("redis+socket:///run/socket", "redis+unix:///run/socket"),
        ("rediss://:p@h/0?ssl_cert_reqs=required", "rediss://:p@h/0?ssl_cert_reqs=required"),
        ("amqp://h", "memory://"),
    ):
        chosen = Settings().model_copy(update={"broker_url": theirs})
        assert storage_url(chosen) == ours


@pytest.mark.parametrize("limit", ["many", "0/minute", "5", "5/fortnight", "5/minute/hour"])
def test_what_is_no_limit_is_found_at_the_start(limit: str) -> None:
    with pytest.raises(ValidationError, match="rate_limit"):
        Settings(rate_limit=limit)


def test_who_sets_no_limit_loads_nothing_for_it() -> None:
    script = "import api, sys; api.create_app().test_client().get('/about'); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "api.limits" in loaded
    assert "limits" not in loaded
