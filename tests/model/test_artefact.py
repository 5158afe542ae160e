"""The served file: what was exported is what is read, and anything else is refused."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from model.artefact import GRAPH, MANIFEST, WEIGHTS, Artefact, write
from model.errors import ArtefactError, CheckpointError
from model.serving import open_predictor

CARD: dict[str, Any] = {"name": "little", "labels": ["Forest", "River"], "accuracy": 0.9}
LITTLE_GRAPH, LITTLE_WEIGHTS = b"<net/>" * 20, bytes(range(256)) * 8


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a small artefact."""
    target = tmp_path / "weights" / "little.zip"
    write(target, LITTLE_GRAPH, LITTLE_WEIGHTS, CARD)
    return target


def replace(path: Path, member: str, new: bytes | None) -> None:
    """Replace one member, or leave it out."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            if name != member:
                archive.writestr(name, data)
            elif new is not None:
                archive.writestr(name, new)


def test_what_is_written_is_read_again(path: Path) -> None:
    artefact = Artefact.open(path)

    assert artefact.read() == (LITTLE_GRAPH, LITTLE_WEIGHTS)
    assert artefact.labels == ["Forest", "River"]
    assert artefact.manifest["accuracy"] == 0.9


def test_the_version_names_the_weights(path: Path, tmp_path: Path) -> None:
    version = Artefact.open(path).version
    retrained = write(tmp_path / "other.zip", LITTLE_GRAPH, LITTLE_WEIGHTS[::-1], CARD)

    assert version.startswith("little-")
    assert len(version) == len("little-") + 12
    assert retrained.version != version


def test_equal_contents_are_equal_files(path: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.zip"
    write(again, LITTLE_GRAPH, LITTLE_WEIGHTS, dict(CARD))

    assert again.read_bytes() == path.read_bytes()
    with zipfile.ZipFile(again) as archive:  # whatever the clock says
        assert {member.date_time for member in archive.infolist()} == {(2020, 1, 1, 0, 0, 0)}


def test_it_is_an_archive_that_lists_its_members(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [MANIFEST, GRAPH, WEIGHTS]
        assert set(json.loads(archive.read(MANIFEST))["members"]) == {GRAPH, WEIGHTS}


@pytest.mark.parametrize("member", [GRAPH, WEIGHTS])
@pytest.mark.parametrize("new", [b"other", b"", None], ids=["other", "empty", "missing"])
def test_a_changed_member_is_refused(path: Path, member: str, new: bytes | None) -> None:
    replace(path, member, new)

    with pytest.raises(ArtefactError):
        Artefact.open(path).read()


@pytest.mark.parametrize(
    "members",
    [{WEIGHTS: "0" * 64, GRAPH: "0" * 64}, {WEIGHTS: 5, GRAPH: None}, {"other": "0" * 64}],
)
def test_digests_of_something_else_refuse_the_members(path: Path, members: object) -> None:
    replace(path, MANIFEST, json.dumps({**CARD, "members": members}).encode())

    with pytest.raises(ArtefactError):
        Artefact.open(path).read()


@pytest.mark.parametrize(
    "manifest",
    [
        b"not JSON",
        b"\xff\xfe\xfd",
        b'{"labels": ["Forest"]}',
        b'{"labels": "Forest", "members": {"model.bin": "0"}}',
        b'{"labels": ["Forest"], "members": {}}',
        None,
        b"null",
        b"[]",
    ],
)
def test_a_manifest_that_is_none_is_refused(path: Path, manifest: bytes | None) -> None:
    replace(path, MANIFEST, manifest)

    with pytest.raises(ArtefactError):
        Artefact.open(path)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x05\x06" + bytes(18)])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    other = tmp_path / "other.zip"
    other.write_bytes(content)

    with pytest.raises(ArtefactError, match=r"other\.zip"):
        Artefact.open(other)


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    for nothing in (tmp_path / "nothing.zip", tmp_path):
        with pytest.raises(ArtefactError):
            Artefact.open(nothing)


def test_a_file_that_is_gone_or_cut_when_read_is_refused(path: Path) -> None:
    artefact = Artefact.open(path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ArtefactError):
        artefact.read()

    path.unlink()
    with pytest.raises(ArtefactError):
        artefact.read()


def test_a_checkpoint_without_torch_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, "model.reference.predictor", raising=False)
    with pytest.raises(CheckpointError, match=r"net\.safetensors .* torch is not installed: pip"):
        open_predictor(tmp_path / "net.safetensors")


def test_any_damaged_byte_is_refused_or_harmless(path: Path) -> None:
    sound, card = path.read_bytes(), Artefact.open(path).manifest
    for at in range(len(sound)):
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 0xFF]) + sound[at + 1 :])
        try:
            artefact = Artefact.open(path)
            members = artefact.read()
        except ArtefactError:
            continue
        assert (artefact.manifest, members) == (card, (LITTLE_GRAPH, LITTLE_WEIGHTS))
