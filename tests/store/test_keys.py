"""Keys are known by their ids and proved by secrets that nobody can read from the table."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from store.database import Database
from store.keys import Keys, MalformedKey, NameTaken, NoSuchKey, Secret, adopt_initial


@pytest.fixture
def keys(database: Database) -> Keys:
    return Keys(database)


def test_a_key_is_one_word_and_no_two_are_alike() -> None:
    made = {Secret.new().text for _ in range(1000)}
    assert len(made) == 1000
    assert all(re.fullmatch("skl_[0-9A-Za-z]{56}", one) for one in made)
    assert len({one[:16] for one in made}) == 1000  # what a look-up goes by


def test_a_key_is_proved_by_its_secret_alone(keys: Keys) -> None:
    secret, other = keys.create("camera"), Secret.new()
    found = keys.find(secret.id)
    assert found
    assert (found.name, found.scopes) == ("camera", ("read", "write"))
    assert found.is_of(Secret.parse(secret.text))
    forged = Secret.parse(f"skl_{secret.id}{other.text[16:]}")
    assert not found.is_of(forged)
    assert keys.find(other.id) is None


def test_the_table_holds_no_secret(keys: Keys, database: Database) -> None:
    secret = keys.create("camera")
    [row] = database.query("SELECT api_keys::text AS row, secret_sha256 FROM api_keys")
    assert secret.text[16:] not in row["row"]
    assert bytes(row["secret_sha256"]) == secret.sha256
    for told in (repr(secret), repr(keys.find(secret.id)), f"{keys.all()}"):
        assert secret.text[16:] not in told
        assert secret.sha256.hex() not in told
        assert repr(secret.sha256) not in told


@pytest.mark.parametrize(
    "text", ["", "skl_", "skl_" + "a" * 55, "skl_" + "a" * 57, "x" * 60, "skl_" + "é" * 56]
)
def test_what_is_no_key_is_not_repeated(text: str) -> None:
    with pytest.raises(MalformedKey) as caught:
        Secret.parse(text)
    assert len(text) < 10 or text not in str(caught.value)


def test_a_name_is_one_live_keys_and_free_again_once_that_is_revoked(keys: Keys) -> None:
    first = keys.create("camera", ["write"])
    with pytest.raises(NameTaken):
        keys.create("camera")
    assert keys.any_live()
    assert keys.revoke("camera").id == first.id
    assert not keys.any_live()
    assert keys.find(first.id) is None
    with pytest.raises(NoSuchKey):
        keys.revoke("camera")
    second = keys.create("camera", ["read"])
    assert [(key.id, key.scopes, key.revoked_at is None) for key in keys.all()] == [
        (first.id, ("write",), False),
        (second.id, ("read",), True),
    ]
    assert keys.revoke(second.id).name == "camera"


def test_a_use_is_noted_once_a_minute(keys: Keys, database: Database) -> None:
    key_id = keys.create("camera").id

    def noted() -> object:
        found = keys.find(key_id)
        assert found
        return found.last_used_at

    assert noted() is None
    keys.touch(key_id)
    first = noted()
    assert first
    keys.touch(key_id)
    assert noted() == first
    database.query("UPDATE api_keys SET last_used_at = last_used_at - %s", (timedelta(minutes=1),))
    keys.touch(key_id)
    assert noted() > first  # type: ignore[operator]


def test_a_deployments_first_key_is_stored_once_and_not_brought_back(
    keys: Keys, database_url: str
) -> None:
    first, second = Secret.new(), Secret.new()
    assert not adopt_initial(database_url, "")
    assert adopt_initial(database_url, first.text)
    assert not adopt_initial(database_url, first.text)
    assert keys.revoke("initial").id == first.id
    assert not adopt_initial(database_url, first.text)
    assert keys.find(first.id) is None
    # Another one in its place, and another beside that.
    assert adopt_initial(database_url, second.text)
    assert adopt_initial(database_url, Secret.new().text)
    assert [key.name.partition("-")[0] for key in keys.all()] == ["initial"] * 3
    with pytest.raises(MalformedKey):
        adopt_initial(database_url, "hunter2")
