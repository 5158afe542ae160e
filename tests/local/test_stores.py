"""Stores that cannot be what settings say are told at the start, in a line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from local.errors import LocalError
from local.stores import check_broker, check_images
from settings import Settings
from tests.cli.command import skylane


def test_up_names_a_broker_that_does_not_answer_without_its_password(tmp_path: Path) -> None:
    address = "redis://:hunter2@127.0.0.1:1/0"
    ended = skylane("up", SKYLANE_HOME=str(tmp_path / "home"), BROKER_URL=address)
    assert ended.returncode == 1
    assert "BROKER_URL=redis://…@127.0.0.1:1/0: no broker answers there: Error" in ended.stderr
    assert "refused" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert "hunter2" not in ended.stderr + ended.stdout
    assert not (tmp_path / "home" / "postgres").exists()


@pytest.mark.parametrize("address", ["redis://:p/hunter2@127.0.0.1:1", "redis://127.0.0.1/hunter2"])
def test_an_address_that_cannot_be_read_is_not_told(address: str) -> None:
    with pytest.raises(LocalError, match=r"BROKER_URL=redis://.*percent-encoded"):
        check_broker(address)


def test_a_broker_that_answers_will_do(broker_url: str) -> None:
    check_broker(broker_url)


def test_images_cannot_lie_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check_images(Settings(images_url=(tmp_path / "new" / "images").as_uri()))
    assert not (tmp_path / "new").exists()
    url = (tmp_path / "file" / "images").as_uri()
    with pytest.raises(LocalError, match=f"SKYLANE_IMAGES_URL={url}: .*/file is no folder"):
        check_images(Settings(images_url=url))
    with pytest.raises(LocalError, match=r"SKYLANE_HOME=.*/file is no folder"):
        check_images(Settings(home=tmp_path / "file"))
    ended = skylane(
        "sweep",
        SKYLANE_IMAGES_URL=url,
        DATABASE_URL="postgresql://127.0.0.1:1/none",
        BROKER_URL="redis://127.0.0.1:1",
    )
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1), ended.stderr


def test_a_folder_of_images_that_is_there_may_be_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def access(path: Path, mode: int) -> bool:
        return not mode & os.W_OK  # of a file system that is mounted so; root may write all others

    monkeypatch.setattr(os, "access", access)
    check_images(Settings(images_url=tmp_path.as_uri()))
    with pytest.raises(LocalError, match="cannot be written to"):
        check_images(Settings(images_url=(tmp_path / "new").as_uri()))
