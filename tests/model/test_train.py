"""Training resumes exactly, and what it makes can be served."""

from __future__ import annotations

import shutil
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="pip install -r requirements/train.txt")

from model.architecture import Servable, build  # noqa: E402
from model.artefact import Artefact  # noqa: E402
from model.data import load  # noqa: E402
from model.export import export  # noqa: E402
from model.predictor import Predictor  # noqa: E402
from model.train import Config, augment, train  # noqa: E402

TINY = Config(stages=((1, 32), (1, 64)), batch=8, save_every=3)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, tiles: list[Path]) -> Path:
    """Make a data set of the bundled tiles, under names that fall into all splits."""
    folder = tmp_path_factory.mktemp("data")
    for number, path in zip(range(60), cycle(tiles), strict=False):
        target = folder / path.parent.name / f"copy_{number}.jpg"
        target.parent.mkdir(exist_ok=True)
        shutil.copy(path, target)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    return train(data, tmp_path_factory.mktemp("whole"), TINY)


class Killed(Exception):
    """Stands for a kill: it leaves train() between two steps, with nothing tidied up."""


def test_a_run_that_was_killed_ends_as_if_it_had_not_been(
    tmp_path: Path, data: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0
    real = augment

    def deadly(*arguments):  # type: ignore[no-untyped-def]
        nonlocal steps
        steps += 1
        if steps == 8:  # two steps after a checkpoint, in the second stage
            raise Killed
        return real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr("model.train.augment", deadly)
        with pytest.raises(Killed):
            train(data, tmp_path, TINY)
    resumed = torch.load(train(data, tmp_path, TINY), weights_only=True)
    whole = torch.load(weights, weights_only=True)
    for name, tensor in whole["net"].items():
        assert torch.equal(tensor, resumed["net"][name]), name


def test_weights_say_what_they_were_made_from(weights: Path, data: Path) -> None:
    state = torch.load(weights, weights_only=True)
    dataset = load(data)
    assert state["labels"] == dataset.labels
    assert (state["data_digest"], state["split_digest"]) == (dataset.digest, dataset.split_digest)
    assert state["config"]["batch"] == TINY.batch


def test_an_augmented_batch_still_shows_its_tiles(data: Path) -> None:
    pixels = torch.from_numpy(load(data).splits["train"].pixels[:16])
    plain = Config(shift_px=0, jitter=0.0)
    batch = augment(pixels, 64, plain, torch.Generator().manual_seed(1))
    assert batch.shape == (16, 3, 64, 64)
    # A symmetry of the square moves pixels and changes none.
    from model.architecture import normalise

    expected = normalise(pixels).flatten(2).sort(dim=2).values
    assert torch.equal(batch.flatten(2).sort(dim=2).values, expected)


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory, weights: Path, data: Path) -> Path:
    out = tmp_path_factory.mktemp("export") / "model.zip"
    export(weights, data, out)
    return out


def test_the_exported_model_is_the_trained_one(artefact: Path, weights: Path, data: Path) -> None:
    opened = Artefact.open(artefact)
    state = torch.load(weights, weights_only=True)
    net = build(len(state["labels"]))
    net.load_state_dict(state["net"])
    pixels = load(data).splits["train"].pixels
    with torch.inference_mode():
        reference = Servable(net).eval()(torch.from_numpy(pixels)).numpy()
    served = Predictor(opened).predict(pixels)
    assert served.sum(axis=1) == pytest.approx(1, abs=1e-3)
    assert np.abs(served - reference).mean() < 0.02  # INT8 against fp32
    assert opened.labels == state["labels"]
    assert opened.manifest["measured"]["int8"]["tiles"] == len(load(data).splits["test"])


def test_the_exported_model_takes_any_number_of_tiles(artefact: Path, data: Path) -> None:
    predictor = Predictor(Artefact.open(artefact))
    pixels = load(data).splits["train"].pixels
    whole = predictor.predict(pixels)
    for n in (1, 3, 9, 31, len(pixels)):
        assert predictor.predict(pixels[:n]) == pytest.approx(whole[:n], abs=0.02)
