"""A backup that is taken while serving becomes a Skylane that has all of it, and finishes it."""

from __future__ import annotations

import hashlib
import json
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest
import requests
from psycopg2.extensions import make_dsn, parse_dsn

from local import backup
from local.errors import LocalError
from settings import Settings
from store.database import Database
from store.images import open_images
from store.keys import Keys
from store.predictions import Predictions
from store.records import NewPrediction
from store.references import Reference
from tests.cli.command import skylane
from tests.stack import WORKER, Stack, until


def unfinished(url: str) -> int:
    by_status = requests.get(f"{url}/stats", timeout=9).json()["status_distribution"]
    return int(by_status.get("pending", 0) + by_status.get("running", 0))


def test_what_was_accepted_before_a_backup_is_in_it_and_gets_done(
    stack: Stack, tiles: list[Path], tmp_path: Path
) -> None:
    accepted: dict[str, bytes] = {}  # those for which the answer came

    def upload(path: Path, wait_s: int = 0) -> str:
        one, data = str(uuid4()), path.read_bytes()
        answer = requests.post(
            f"{stack.url}/upload?wait={wait_s}&request_id={one}",
            data=data,
            headers={"Content-Type": "image/jpeg"},
            timeout=60,
        )
        assert answer.ok, answer.text
        accepted[one] = data
        return one

    over = threading.Event()

    def burst() -> None:
        while not over.is_set():
            upload(tiles[len(accepted) % len(tiles)])

    done = [upload(path, wait_s=30) for path in tiles[:3]]
    deleted = upload(tiles[3], wait_s=30)
    assert requests.delete(f"{stack.url}/results/{deleted}", timeout=9).ok
    del accepted[deleted]
    bursting = [threading.Thread(target=burst) for _ in range(3)]
    with stack.frozen(WORKER):
        for thread in bursting:
            thread.start()
        until(lambda: len(accepted) > 30)
        before = dict(accepted)
        ended = skylane("backup", str(tmp_path / "copy"), SKYLANE_HOME=str(stack.home))
        during = len(accepted) - len(before)
        over.set()
        for thread in bursting:
            thread.join()
    assert ended.returncode == 0, ended.stderr
    assert during > 0  # it held up nobody

    home = {"SKYLANE_HOME": str(tmp_path / "home")}
    restored = skylane("restore", str(tmp_path / "copy"), **home)
    assert restored.returncode == 0, restored.stderr
    again = skylane("restore", str(tmp_path / "copy"), **home)
    assert (again.returncode, "already" in again.stderr) == (1, True)
    with Stack(tmp_path / "home", SKYLANE_STALE_AFTER_S="1", SKYLANE_SWEEP_EVERY_S="0.5") as other:
        session = requests.Session()

        def result(one: str) -> dict[str, object]:
            told: dict[str, object] = session.get(f"{other.url}/results/{one}", timeout=9).json()
            return told

        until(lambda: all(result(one).get("status") == "done" for one in before), limit_s=60)
        for one, data in before.items():
            image = session.get(f"{other.url}/images/{one}", timeout=9)
            assert (image.status_code, image.content) == (200, data)
        assert session.get(f"{other.url}/results/{deleted}", timeout=9).status_code == 404
        for one in done:
            finished = requests.get(f"{stack.url}/results/{one}", timeout=9).json()["finished_at"]
            assert result(one)["finished_at"] == finished  # and not done once more
        until(lambda: unfinished(other.url) == 0)  # what was accepted during the backup, too
        # It goes on: a new image gets a new row.
        tile = {"file": tiles[0].open("rb")}
        assert session.post(f"{other.url}/upload?wait=30", files=tile, timeout=40).ok


def test_a_row_whose_image_was_deleted_during_the_backup_is_not_restored(
    stack: Stack, tiles: list[Path], tmp_path: Path
) -> None:
    answer = requests.post(
        f"{stack.url}/upload?wait=30", files={"file": tiles[0].open("rb")}, timeout=40
    ).json()
    copy, home = tmp_path / "copy", str(tmp_path / "home")
    assert skylane("backup", str(copy), SKYLANE_HOME=str(stack.home)).returncode == 0
    [image] = copy.glob(f"images/**/{answer['request_id']}")
    image.unlink()
    about = json.loads((copy / "backup.json").read_text())
    counted = about["images"]
    broken = skylane("restore", str(copy), SKYLANE_HOME=home)
    assert f"{counted - 1} images of {counted} are there" in broken.stderr
    # As if it had gone between the database's copy and its own.
    (copy / "backup.json").write_text(json.dumps(about | {"images": counted - 1}))
    restored = skylane("restore", str(copy), SKYLANE_HOME=home)
    assert restored.stdout.strip() == f"restored {counted - 1} predictions"

    would = skylane("prune", "--older-than=0s", "--dry-run", SKYLANE_HOME=home)
    assert would.stdout.strip() == f"{counted - 1} predictions would go"
    gone = skylane("prune", "--older-than", "0s", SKYLANE_HOME=home)
    assert gone.stdout.strip() == f"{counted - 1} predictions and their images have gone"
    assert [one for one in (tmp_path / "home/images").rglob("*") if one.is_file()] == []
    wrong = skylane("prune", "--older-than", "soon", SKYLANE_HOME=home)
    assert (wrong.returncode, "no age such as" in wrong.stderr) == (2, True)


IMAGE = b"\xff\xd8\xff"


def store(settings: Settings, n: int) -> list[Reference]:
    """Store images and then their rows, as the API does."""
    digest = hashlib.sha256(IMAGE).hexdigest()
    database, images = (
        Database(settings.database_url, size=1),
        open_images(settings.image_store_url),
    )
    ids = [uuid4() for _ in range(n)]
    stored = [images.put(f"2026/11/26/{one}", IMAGE, "image/jpeg") for one in ids]
    rows = [
        NewPrediction(one, "on-prem", "a.jpg", "image/jpeg", 3, digest, reference)
        for one, reference in zip(ids, stored, strict=True)
    ]
    Predictions(database).insert(rows)
    database.close()
    return stored


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "here", DATABASE_URL=database_url)


@pytest.fixture
def another(here: Settings, tmp_path: Path) -> Callable[[str], Settings]:
    """Return a function that makes an empty database, and names a home for it."""

    def made(home: str) -> Settings:
        name = f"other_{uuid4().hex}"
        connection = psycopg2.connect(here.database_url)
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {name}")
        connection.close()
        url = make_dsn(**parse_dsn(here.database_url) | {"dbname": name})
        return Settings(home=tmp_path / home, DATABASE_URL=url)

    return made


def files(settings: Settings) -> set[str]:
    images = settings.home / "images"
    return {str(one.relative_to(images)) for one in images.rglob("*") if one.is_file()}


def test_an_upload_during_a_backup_leaves_no_image_without_a_row(
    here: Settings,
    another: Callable[[str], Settings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = store(here, 3)
    run = backup._run

    def run_and_go_on(program: str, url: str, *arguments: str) -> None:
        run(program, url, *arguments)
        store(here, 2)  # as the API does all the while

    with monkeypatch.context() as patched:
        patched.setattr(backup, "_run", run_and_go_on)
        assert backup.back_up(here, tmp_path / "copy") == backup.Copied(3, 3)
    there = another("there")
    assert backup.restore(there, tmp_path / "copy") == (backup.Copied(3, 3), [])
    assert files(there) == {one.key for one in before}


def test_a_backup_is_not_restored_among_the_images_of_another_database(
    here: Settings, another: Callable[[str], Settings], tmp_path: Path
) -> None:
    [one] = store(here, 1)
    backup.back_up(here, tmp_path / "copy")
    image = here.home / "images" / one.key
    image.write_bytes(b"live")
    with pytest.raises(LocalError, match="There are images already"):
        backup.restore(another("here"), tmp_path / "copy")
    assert (image.read_bytes(), len(files(here))) == (b"live", 1)


def test_a_backup_without_the_volume_of_the_images_is_none(here: Settings, tmp_path: Path) -> None:
    store(here, 1)
    (here.home / "images").rename(here.home / "elsewhere")
    with pytest.raises(LocalError, match="mounted"):
        backup.back_up(here, tmp_path / "copy")
    with pytest.raises(LocalError, match="no whole backup"):
        backup.restore(here, tmp_path / "copy")


def test_a_backup_whose_images_are_away_makes_no_rows_without_any(
    here: Settings, another: Callable[[str], Settings], tmp_path: Path
) -> None:
    store(here, 1)
    backup.back_up(here, tmp_path / "copy")
    (tmp_path / "copy" / "images").rename(tmp_path / "elsewhere")
    there = another("there")
    with pytest.raises(LocalError, match="images are not there"):
        backup.restore(there, tmp_path / "copy")
    (tmp_path / "elsewhere").rename(tmp_path / "copy" / "images")
    assert backup.restore(there, tmp_path / "copy") == (backup.Copied(1, 1), [])


def test_a_backup_is_not_put_among_images_or_into_the_database(
    here: Settings, tmp_path: Path
) -> None:
    store(here, 1)
    before = files(here)
    (tmp_path / "link").symlink_to(here.home / "images")
    for folder in (here.home / "images/copy", tmp_path / "link/copy", here.home / "postgres/copy"):
        with pytest.raises(LocalError, match="Name another"):
            backup.back_up(here, folder)
        assert not folder.exists()
    assert files(here) == before
    assert backup.back_up(here, here.home / "copy") == backup.Copied(1, 1)


def test_a_backup_is_for_nobody_else_to_read(here: Settings, tmp_path: Path) -> None:
    store(here, 1)
    backup.back_up(here, tmp_path / "copy")
    for path in (tmp_path / "copy", *(tmp_path / "copy").rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


@pytest.mark.parametrize("damaged", [b"\xff\xd8\x00", b"\xff\xd8", b""])
def test_a_damaged_image_is_not_restored_and_nothing_else_is(
    damaged: bytes, here: Settings, another: Callable[[str], Settings], tmp_path: Path
) -> None:
    one = store(here, 3)[1]
    database = Database(here.database_url, size=1)
    # A client chooses it: it looks like the end of the table, and has what COPY escapes.
    database.query("UPDATE predictions SET image_name = %s", ("\\.\n\t\\N",))
    adopted = store(here, 1)[0]  # nobody knows its digest
    database.query("UPDATE predictions SET sha256 = NULL WHERE storage_key = %s", (adopted.key,))
    database.close()
    backup.back_up(here, tmp_path / "copy")
    image, there = tmp_path / "copy" / "images" / one.key, another("there")
    image.write_bytes(damaged)
    with pytest.raises(LocalError, match=f"{image} is damaged"):
        backup.restore(there, tmp_path / "copy")
    assert files(there) == set()
    image.write_bytes(IMAGE)
    assert backup.restore(there, tmp_path / "copy") == (backup.Copied(4, 4), [])


def test_a_database_that_ends_what_is_idle_or_long_is_backed_up_all_the_same(
    here: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(here, 2)
    database = Database(here.database_url, size=1)
    name = parse_dsn(here.database_url)["dbname"]
    for setting in ("statement_timeout", "idle_in_transaction_session_timeout"):
        database.query(f'ALTER DATABASE "{name}" SET {setting} = 50')
    run = backup._run

    def run_for_long(program: str, url: str, *arguments: str) -> None:
        run(program, url, *arguments)
        database.query("SET statement_timeout = 0")
        database.query("SELECT pg_sleep(0.2)")

    monkeypatch.setattr(backup, "_run", run_for_long)
    assert backup.back_up(here, tmp_path / "copy") == backup.Copied(2, 2)
    database.close()


def test_a_restore_that_fails_can_be_made_again_and_needs_no_role_of_before(
    here: Settings, another: Callable[[str], Settings], tmp_path: Path
) -> None:
    store(here, 2)
    role = f"reader_{uuid4().hex}"
    database = Database(here.database_url, size=1)
    database.query(f"CREATE ROLE {role}")
    database.query(f"GRANT SELECT ON predictions TO {role}")
    backup.back_up(here, tmp_path / "copy")
    database.query(f"DROP OWNED BY {role}")
    database.query(f"DROP ROLE {role}")
    database.close()

    dump, there = tmp_path / "copy" / backup.DUMP, another("there")
    whole = dump.read_bytes()
    dump.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LocalError, match="pg_restore failed"):
        backup.restore(there, tmp_path / "copy")
    assert files(there) == set()
    dump.write_bytes(whole)
    assert backup.restore(there, tmp_path / "copy") == (backup.Copied(2, 2), [])


def test_a_key_that_was_revoked_since_the_backup_is_told_of_when_it_is_restored(
    here: Settings, another: Callable[[str], Settings], tmp_path: Path
) -> None:
    database = Database(here.database_url, size=1)
    keys = Keys(database)
    made = {name: keys.create(name).id for name in ("before", "since", "live")}
    keys.revoke("before")
    store(here, 1)
    backup.back_up(here, tmp_path / "copy")
    keys.revoke("since")
    database.close()
    there = another("there")
    told = skylane(
        "restore",
        str(tmp_path / "copy"),
        DATABASE_URL=there.database_url,
        SKYLANE_HOME=str(there.home),
    )
    assert f"live as of the backup: since ({made['since']}), live ({made['live']})." in told.stdout


def test_what_is_no_backup_is_told(here: Settings, tmp_path: Path) -> None:
    ended = skylane("restore", str(tmp_path), SKYLANE_HOME=str(tmp_path / "home"))
    assert (ended.returncode, "no whole backup" in ended.stderr) == (1, True)
    store(here, 1)
    with pytest.raises(LocalError, match="Name a new one"):
        backup.back_up(here, tmp_path)
