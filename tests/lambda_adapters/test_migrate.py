"""A deployment hears how its migration went, and hears it soon."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from lambda_adapters import migrate
from settings import Settings
from store.database import Database
from store.errors import StoreError
from store.keys import Keys, NoSuchKey, Secret


class CloudFormation(HTTPServer):
    """Where a custom resource's answer goes."""

    told: dict[str, Any]


class _Answers(BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told = json.loads(body)  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def cloudformation() -> Iterator[CloudFormation]:
    with CloudFormation(("127.0.0.1", 0), _Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def event(server: CloudFormation, kind: str) -> dict[str, Any]:
    return {
        "RequestType": kind,
        "ResponseURL": f"http://127.0.0.1:{server.server_port}/answer?signature=x",
        "StackId": "arn:aws:cloudformation:eu-central-1:111122223333:stack/skylane-dev/1",
        "RequestId": "f1a2",
        "ResourceType": "Custom::Migration",
        "LogicalResourceId": "Migration",
    }


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that sets the database."""

    def set_to(url: str, initial_key: str = "") -> None:
        chosen = Settings(initial_key=initial_key).model_copy(update={"database_url": url})
        monkeypatch.setattr(migrate, "settings", lambda: chosen)

    return set_to


def test_a_stack_that_is_made_gets_its_schema(
    cloudformation: CloudFormation, at: Any, database_url: str
) -> None:
    Database(database_url).query("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    at(database_url)
    migrate.handler(event(cloudformation, "Create"), None)
    assert cloudformation.told["Status"] == "SUCCESS"
    assert "001_predictions.sql" in cloudformation.told["Data"]["applied"]
    assert cloudformation.told["RequestId"] == "f1a2"
    assert Database(database_url).query("SELECT count(*) AS n FROM predictions") == [{"n": 0}]


def test_a_migration_that_fails_fails_the_deployment(
    cloudformation: CloudFormation, at: Any
) -> None:
    at("postgresql://nobody@127.0.0.1:1/none")
    migrate.handler(event(cloudformation, "Update"), None)
    assert cloudformation.told["Status"] == "FAILED"
    assert "migration failed" in cloudformation.told["Reason"]
    with pytest.raises(StoreError):
        migrate.handler({}, None)  # by hand: the error is the answer


def test_a_deployment_begins_with_a_key(
    cloudformation: CloudFormation, at: Any, database_url: str, database: Database
) -> None:
    secret = Secret.new()
    at(database_url, secret.text)
    for kind in ("Create", "Update"):
        migrate.handler(event(cloudformation, kind), None)
        assert cloudformation.told["Status"] == "SUCCESS"
    assert [key.id for key in Keys(database).all()] == [secret.id]
    at(database_url, "skl_too-short")
    migrate.handler(event(cloudformation, "Update"), None)
    assert cloudformation.told["Status"] == "FAILED"
    assert "too-short" not in cloudformation.told["Reason"]


def test_an_operator_makes_lists_and_revokes_keys_through_it(
    at: Any, database_url: str, database: Database
) -> None:
    at(database_url)
    made = migrate.handler({"keys": "create", "name": "camera", "scopes": ["write"]}, None)["key"]
    found = Keys(database).find(Secret.parse(made).id)
    assert found
    assert found.is_of(Secret.parse(made))
    [told] = json.loads(json.dumps(migrate.handler({"keys": "list"}, None)))["keys"]
    assert (told["name"], told["scopes"], told["revoked_at"]) == ("camera", ["write"], None)
    assert migrate.handler({"keys": "revoke", "name": "camera"}, None)["revoked"]["id"] == found.id
    with pytest.raises(NoSuchKey):
        migrate.handler({"keys": "revoke", "name": "camera"}, None)
    for wrong in ({"keys": "create"}, {"keys": "x", "name": "a"}, {"keys": "create", "name": 1}):
        with pytest.raises(ValueError, match=r"name|keys"):
            migrate.handler(wrong, None)


def test_a_stack_that_is_removed_leaves_the_rows(
    cloudformation: CloudFormation, at: Any, database_url: str
) -> None:
    at("postgresql://nobody@127.0.0.1:1/none")  # it may be gone before
    migrate.handler(event(cloudformation, "Delete"), None)
    assert cloudformation.told["Status"] == "SUCCESS"
