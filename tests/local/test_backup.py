"""A backup that is taken while serving becomes a Skylane that has all of it, and finishes it."""

from __future__ import annotations

import threading
from pathlib import Path
from uuid import uuid4

import requests

from tests.cli.command import skylane
from tests.stack import WORKER, Stack, until


def unfinished(url: str) -> int:
    stats = requests.get(f"{url}/stats", timeout=9).json()
    return int(stats["total"] - stats["status_distribution"]["done"])


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
    image.unlink()  # as if it had gone between the database's copy and its own
    counted = int((copy / "backup.json").read_text().split('"images": ')[1].rstrip("}\n"))
    restored = skylane("restore", str(copy), SKYLANE_HOME=home)
    assert restored.stdout.strip() == f"restored {counted - 1} predictions"

    would = skylane("prune", "--older-than=0s", "--dry-run", SKYLANE_HOME=home)
    assert would.stdout.strip() == f"{counted - 1} predictions would go"
    gone = skylane("prune", "--older-than", "0s", SKYLANE_HOME=home)
    assert gone.stdout.strip() == f"{counted - 1} predictions and their images have gone"
    assert [one for one in (tmp_path / "home/images").rglob("*") if one.is_file()] == []
    wrong = skylane("prune", "--older-than", "soon", SKYLANE_HOME=home)
    assert (wrong.returncode, "no age such as" in wrong.stderr) == (2, True)


def test_what_is_no_backup_is_told(tmp_path: Path) -> None:
    ended = skylane("restore", str(tmp_path), SKYLANE_HOME=str(tmp_path / "home"))
    assert (ended.returncode, "no whole backup" in ended.stderr) == (1, True)
    ended = skylane("backup", str(tmp_path), SKYLANE_HOME=str(tmp_path / "home"))
    assert (ended.returncode, "Name a new one" in ended.stderr) == (1, True)
