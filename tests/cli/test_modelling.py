"""The commands that make models: what is wrong is told in a line, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from settings import Settings
from tests.cli.command import skylane, skylane_here
from tests.model.nets import make_data

torch = pytest.importorskip("torch", reason="pip install -r requirements/train.txt")

FOREIGN = ("export", "--checkpoint", "{text}", "--arch", "vgg11", "--out", "{tmp}/m.zip")
NOWHERE = dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY"), "http://127.0.0.1:1")


def test_a_model_goes_from_tiles_to_predictions_by_commands_alone(
    tmp_path: Path, tiles: list[Path]
) -> None:
    data = str(make_data(tmp_path / "data", tiles))
    run, model, report = (str(tmp_path / name) for name in ("run", "model.zip", "report"))
    weights = f"{run}/weights.safetensors"
    little = ("--set", "arch=resnet18", "--set", "stages=[[1, 32]]", "--set", "batch=16")
    for command in (
        ("train", "--data", data, "--out", run, *little),
        ("export", "--data", data, "--checkpoint", weights, "--out", model),
        ("evaluate", "--data", data, "--artefact", model, "--report", report),
    ):
        ended = skylane(*command)
        assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "report" / "report.html").exists()
    assert "JPEG quality 30" in ended.stdout


def test_imagenets_weights_that_cannot_be_fetched_are_told(tmp_path: Path, tile: bytes) -> None:
    data = many(tmp_path / "data", ("Cat", "Dog"), tile)
    little = ("--set", "arch=resnet18", "--set", "start=imagenet")
    empty = {"TORCH_HOME": str(tmp_path / "torch")}  # where nothing was fetched before
    ended = skylane(
        *("train", "--out", str(tmp_path / "run"), "--data", str(data), *little), **NOWHERE, **empty
    )
    assert ended.returncode == 1
    assert "ImageNet weights could not be fetched" in ended.stderr
    assert "Traceback" not in ended.stderr


def many(folder: Path, labels: tuple[str, ...], tile: bytes) -> Path:
    """Write a tile under so many names that there are some in each split."""
    for label in labels:
        (folder / label).mkdir(parents=True)
        for number in range(160):
            (folder / label / f"{label}_{number}.jpg").write_bytes(tile)
    return folder


def test_eurosat_that_cannot_be_fetched_says_what_to_give_instead(tmp_path: Path) -> None:
    out = tmp_path / "run"
    ended = skylane("train", "--out", str(out), SKYLANE_HOME=str(tmp_path / "home"), **NOWHERE)
    assert ended.returncode == 1
    assert "Give a copy: --data DIR_OR_ZIP" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("train", "--out", "{tmp}/run", "--data", "{tmp}"), "no <Class>/<name>.jpg"),
        (("train", "--out", "{tmp}/run", "--data", "{text}"), "neither a folder nor a sound zip"),
        (("train", "--out", "{tmp}/run", "--set", "peek_lr=1"), "is not NAME=VALUE of one of"),
        (
            ("train", "--out", "{tmp}/run", "--data", "{tmp}", "--set", "batch=0"),
            "greater than or equal to 2",
        ),
        (("export", "--checkpoint", "{text}", "--out", "{tmp}/m.zip"), "not a safetensors file"),
        (("export", "--checkpoint", "{text}", "--arch", "vgg11", "--out", "x"), "belong together"),
        (("export", "--checkpoint", "{text}", "--tile-px", "64", "--out", "x"), "give --arch"),
        ((*FOREIGN, "--labels", "{latin}"), "is not in UTF-8"),
        ((*FOREIGN, "--labels", "{empty}"), "has no labels in it"),
        (("export", "--checkpoint", "{text}", "--out", "{text}/m.zip"), "is a file, not a folder"),
        (("export", "--checkpoint", "{text}", "--out", "{tmp}"), "is a directory"),
        (("export", "--checkpoint", "{text}", "--out", "{text}"), "taken for a checkpoint"),
        (("export", "--checkpoint", "{zip}", "--out", "{zip}"), "which is read; name another"),
        (("train", "--out", ""), "no path was given"),
        (
            ("evaluate", "--artefact", "{served}", "--data", "{one}", "--report", "{one}"),
            "within --data",
        ),
        (
            ("evaluate", "--artefact", "{served}", "--report", "/proc/report"),
            "cannot be written to",
        ),
        (("evaluate", "--artefact", "{served}", "--report", "{text}"), "is a file"),
        (("train", "--out", "{tmp}/run", "--data", "{other}"), "no tiles to validate on"),
        (("train", "--out", "{tmp}/run", "--data", "{one}"), "one class, Cat: nothing to tell"),
        (("train", "--out", "{tmp}/run", "--set", "stages=64"), "as in stages=[[2, 32], [4, 64]]"),
        (
            ("train", "--out", "{tmp}/run", "--data", "{two}", "--set", "teachers={text}"),
            "not a safetensors file",
        ),
        (("evaluate", "--data", "{tmp}"), "Give --artefact, --checkpoint or both"),
        (
            ("evaluate", "--artefact", "{served}", "--arch", "vgg11", "--labels", "{empty}"),
            "are of a --checkpoint: give it",
        ),
        (("evaluate", "--data", "{tmp}", "--artefact", "{text}"), "is not a model artefact"),
        (("evaluate", "--data", "{other}", "--artefact", "{served}"), "has classes Cat; the model"),
    ],
)
def test_what_is_wrong_is_told_without_a_traceback(
    arguments: tuple[str, ...],
    told: str,
    tmp_path: Path,
    tile: bytes,
) -> None:
    text = tmp_path / "text.safetensors"
    text.write_text("not what it should be")
    (tmp_path / "latin.txt").write_bytes("Fôret\n".encode("latin-1"))
    (tmp_path / "empty.txt").write_text("\n \n")
    cats = tmp_path / "other" / "Cat"
    cats.mkdir(parents=True)
    (cats / "tom.jpg").write_bytes(tile)
    (tmp_path / "net.zip").write_text("a net")
    places = {
        "zip": tmp_path / "net.zip",
        "latin": tmp_path / "latin.txt",
        "empty": tmp_path / "empty.txt",
        "one": many(tmp_path / "one", ("Cat",), tile),
        "two": many(tmp_path / "two", ("Cat", "Dog"), tile),
        "tmp": tmp_path / "nothing",
        "text": text,
        "other": cats.parent,
        "served": Settings().artefact,
    }
    places["tmp"].mkdir()
    ended = skylane_here(*(argument.format(**places) for argument in arguments))
    assert ended.returncode in (1, 2)
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr
