"""What is exported is what was trained, whatever net it is; and what is worse is not written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="pip install -r requirements/train.txt")

from torch import nn  # noqa: E402

from model import artefact as artefacts  # noqa: E402
from model.artefact import Artefact, labels_of  # noqa: E402
from model.data import Dataset, load  # noqa: E402
from model.errors import (  # noqa: E402
    CheckpointError,
    DataError,
    ParityError,
    PredictionError,
)
from model.evaluation.evaluate import OPENVINO, TORCH, evaluate  # noqa: E402
from model.evaluation.metrics import Evaluation, evaluation  # noqa: E402
from model.predictor import Predictor  # noqa: E402
from model.reference import checkpoint  # noqa: E402
from model.reference.architecture import Servable, build  # noqa: E402
from model.reference.checkpoint import About  # noqa: E402
from model.reference.convert import convert, openvino_fp32, write  # noqa: E402
from model.reference.predictor import TorchPredictor  # noqa: E402
from model.runtime import openvino as ov  # noqa: E402
from model.serving import open_predictor  # noqa: E402
from model.training import export as exporting  # noqa: E402
from model.training.export import export, may_lose  # noqa: E402
from model.training.train import train  # noqa: E402
from tests.model.nets import TINY, make_data  # noqa: E402

INT8 = "OpenVINO INT8"


@pytest.fixture(scope="module", autouse=True)
def converted_once() -> Iterator[None]:
    """Convert each net once, however often it is exported: ONNX takes most of the time."""
    known: dict[str, ov.Model] = {}

    def once(servable: Servable, tile_px: int) -> ov.Model:
        digest = hashlib.sha256(f"{tile_px} {servable.net_px} {servable.temperature}".encode())
        for tensor in servable.net.state_dict().values():
            digest.update(tensor.numpy().tobytes())
        if digest.hexdigest() not in known:
            known[digest.hexdigest()] = convert(servable, tile_px)
        return known[digest.hexdigest()].clone()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporting, "convert", once)
        patch.setattr("model.reference.convert.convert", once)  # which `evaluate` takes
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, tiles: list[Path]) -> Path:
    return make_data(tmp_path_factory.mktemp("data"), tiles)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    return train(data, tmp_path_factory.mktemp("trained"), TINY)


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory, weights: Path, data: Path) -> Path:
    out = tmp_path_factory.mktemp("export") / "little.zip"
    net, about = checkpoint.read(weights)
    export(net, about, load(data), out, "little", source=checkpoint.file_digest(weights))
    return out


@pytest.fixture(scope="module")
def dataset(data: Path) -> Dataset:
    return load(data)


def test_the_exported_model_is_the_trained_one(
    artefact: Path, weights: Path, dataset: Dataset
) -> None:
    pixels = dataset.splits["train"].pixels
    opened = Artefact.open(artefact)
    temperature = opened.manifest["temperature"]
    reference = TorchPredictor.open(weights, temperature).predict(pixels)
    served = Predictor(opened).predict(pixels)
    assert served.sum(axis=1) == pytest.approx(1, abs=1e-3)
    assert np.abs(served - reference).mean() < 0.02  # INT8 against fp32
    assert opened.labels == dataset.labels


def test_the_artefact_says_what_it_was_made_from_and_how_good_it_is(
    artefact: Path, weights: Path, dataset: Dataset
) -> None:
    card = Artefact.open(artefact).manifest
    assert card["data"]["split_digest"] == dataset.split_digest
    assert card["recipe"]["batch"] == TINY.batch
    for form in (INT8, OPENVINO, TORCH):
        assert card["measured"][form]["tiles"] == len(dataset.splits["test"])
    assert (card["measured"]["split"], card["measured"]["held_out"]) == ("test", True)


def test_all_forms_of_a_model_are_measured_side_by_side(
    artefact: Path, weights: Path, data: Path
) -> None:
    found = evaluate(data, artefact=artefact, checkpoint=weights, split="train")
    assert list(found.forms) == [INT8, OPENVINO, TORCH]
    # In float32 the two runtimes agree to rounding.
    assert found.forms[OPENVINO].log_loss == pytest.approx(found.forms[TORCH].log_loss, rel=1e-3)


def test_the_exported_model_takes_any_number_of_tiles(artefact: Path, dataset: Dataset) -> None:
    predictor = Predictor(Artefact.open(artefact))
    pixels = dataset.splits["train"].pixels
    whole = predictor.predict(pixels)
    for n in (1, 3, 9, 31, len(pixels)):
        assert predictor.predict(pixels[:n]) == pytest.approx(whole[:n], abs=0.02)


def test_a_model_that_quantising_ruins_is_not_written(
    weights: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "model.zip"
    net, about = checkpoint.read(weights)
    ruined = build(about.arch, len(about.labels))
    with monkeypatch.context() as patched:
        patched.setattr(exporting, "_quantised", lambda *_: convert(Servable(ruined, 64), 64))
        with pytest.raises(ParityError, match=r"tiles are lost.*fp16 leaves it"):
            export(net, about, mostly_right(net, dataset), out, "ruined")
    assert not out.exists()


def test_one_tile_of_few_may_be_lost(
    weights: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, about = checkpoint.read(weights)
    tiles = mostly_right(net, dataset)
    for lost, told in ((1, None), (2, r"2 of \d+ tiles are lost, and 1 may be")):
        with monkeypatch.context() as patched:
            patched.setattr(exporting, "evaluation", losing(lost))
            if told is None:
                export(net, about, tiles, tmp_path / "model.zip", "few", "FP16")
            else:
                with pytest.raises(ParityError, match=told):
                    export(net, about, tiles, tmp_path / "model.zip", "few", "FP16")


def test_of_many_tiles_two_in_a_thousand_may_be_lost_and_not_one_more() -> None:
    sizes = {1: 1, 142: 1, 999: 1, 1000: 2, 2515: 5, 27_000: 54}
    assert {tiles: may_lose(tiles) for tiles in sizes} == sizes


def losing(tiles: int) -> Callable[..., Evaluation]:
    """Return an evaluation by which every form after torch's gets ``tiles`` fewer right."""
    forms = count()

    def evaluated(probabilities: np.ndarray, classes: np.ndarray, labels: list[str]) -> Evaluation:
        wrong = classes.copy()
        if next(forms):
            right = np.flatnonzero(probabilities.argmax(1) == classes)[:tiles]
            wrong[right] = (wrong[right] + 1) % len(labels)
        return evaluation(probabilities, wrong, labels)

    return evaluated


def mostly_right(net: nn.Module, dataset: Dataset) -> Dataset:
    """Return the data with test tiles that ``net`` gets right: as if it had learned them."""
    tiles = dataset.splits["train"]
    predictor = TorchPredictor(Servable(net, 64), dataset.labels, "torch", 64)
    classes = predictor.predict(tiles.pixels).argmax(1)
    return replace(dataset, splits={**dataset.splits, "test": replace(tiles, classes=classes)})


def test_a_model_that_int8_harms_is_served_in_fp16(
    weights: Path, dataset: Dataset, tmp_path: Path
) -> None:
    net, about = checkpoint.read(weights)
    made, measured = export(net, about, dataset, tmp_path / "model.zip", "exact", "FP16")
    assert "OpenVINO FP16" in measured
    pixels = dataset.splits["test"].pixels
    reference = TorchPredictor.open(weights, made.manifest["temperature"]).predict(pixels)
    assert np.abs(Predictor(made).predict(pixels) - reference).max() < 0.005


@pytest.mark.parametrize("net_px", [24, 96])
def test_a_net_that_sees_tiles_at_another_size_sees_them_as_it_learned_to(
    net_px: int, dataset: Dataset, tmp_path: Path
) -> None:
    torch.manual_seed(3)
    net = build("resnet18", len(dataset.labels)).eval()
    net.state_dict()["fc.weight"].mul_(40)  # untrained, but of decided opinions
    about = About("resnet18", dataset.labels, 64, net_px)
    tiles = mostly_right(net, dataset)
    made, _ = export(net, about, tiles, tmp_path / "exact.zip", "exact", "FP16")
    pixels = dataset.splits["test"].pixels
    servable = Servable(net, net_px, made.manifest["temperature"])
    reference = TorchPredictor(servable, dataset.labels, "torch", 64).predict(pixels)
    graph = vars(exporting)["convert"](servable, 64)  # which knows it by now
    exact = openvino_fp32(graph, made.manifest, tmp_path).predict(pixels)
    assert exact == pytest.approx(reference, abs=1e-4)
    quantised = exporting._quantised(graph, dataset.splits["train"])
    served = Predictor(write(tmp_path / "int8.zip", quantised, made.manifest)).predict(pixels)
    assert np.abs(served - reference).mean() < 0.02


def test_a_split_without_tiles_is_told(weights: Path, tiles: list[Path], tmp_path: Path) -> None:
    few = load(make_data(tmp_path, tiles, n=3), labels=checkpoint.read(weights)[1].labels)
    with pytest.raises(DataError, match="split has no tiles"):
        export(*checkpoint.read(weights), few, tmp_path / "model.zip", "few")


def test_a_net_that_went_astray_is_not_written(
    weights: Path, artefact: Path, dataset: Dataset, data: Path, tmp_path: Path
) -> None:
    net, about = checkpoint.read(weights)
    net.state_dict()["fc.bias"][:] = torch.nan
    with pytest.raises(PredictionError, match=r"^astray answers \d+ of \d+ images with NaN"):
        export(net, about, dataset, tmp_path / "astray.zip", "astray")
    assert not (tmp_path / "astray.zip").exists()

    checkpoint.write(tmp_path / "astray.safetensors", net, about)
    with pytest.raises(PredictionError, match=r"^astray-\w+ \(OpenVINO fp32\) answers"):
        evaluate(data, checkpoint=tmp_path / "astray.safetensors")
    with pytest.raises(PredictionError, match="answers 1 of 1 images with NaN"):
        open_predictor(tmp_path / "astray.safetensors").warm_up()
    made = write(
        tmp_path / "made.zip",
        convert(Servable(net, 64), 64),
        {"name": "made", "labels": about.labels},
    )
    with pytest.raises(PredictionError, match=r"^made-.* answers 1 of 1 images with NaN"):
        Predictor(made).warm_up()


def test_an_artefact_is_not_set_beside_another_net(
    weights: Path, artefact: Path, data: Path, tmp_path: Path
) -> None:
    net, about = checkpoint.read(weights)
    for name, changed, told in (
        (
            "seed",
            replace(about, recipe=about.recipe | {"seed": 9}),
            "by its recipe, seed is 0 there, 9",
        ),
        ("data", replace(about, data=about.data | {"digest": "0"}), "by its trained_on, digest is"),
    ):
        checkpoint.write(tmp_path / name, net, changed)
        with pytest.raises(CheckpointError, match=told):
            evaluate(data, artefact=artefact, checkpoint=tmp_path / name)


def test_a_checkpoint_that_is_told_what_it_says_itself_is_set_beside_its_artefact(
    weights: Path, artefact: Path, data: Path, tmp_path: Path
) -> None:
    _, about = checkpoint.read(weights)
    told = About(about.arch, about.labels)
    found = evaluate(data, artefact=artefact, checkpoint=weights, about=told)
    assert list(found.forms) == [INT8, "OpenVINO fp32", "torch fp32"]
    assert checkpoint.read(weights, told)[1] == about  # which says more than was told

    opened = Artefact.open(artefact)
    unsaid = {name: one for name, one in opened.manifest.items() if name != "checkpoint"}
    earlier = artefacts.write(tmp_path / "earlier.zip", *opened.read(), unsaid)
    assert evaluate(data, artefact=earlier.path, checkpoint=weights, about=told).checkpoint
    silent = tmp_path / "silent.safetensors"
    checkpoint.save(silent, checkpoint.load(weights)[0], {})
    with pytest.raises(CheckpointError, match="by its recipe, start is scratch there, None here"):
        evaluate(data, artefact=earlier.path, checkpoint=silent, about=told)


def test_a_checkpoint_is_not_told_otherwise_than_it_says_itself(weights: Path) -> None:
    _, about = checkpoint.read(weights)
    for told in (
        About("resnet34", about.labels),
        About(about.arch, about.labels[::-1]),
        About(about.arch, about.labels, 96, 96),
    ):
        with pytest.raises(CheckpointError, match="says of itself that it is resnet18 for tiles"):
            checkpoint.read(weights, told)


def test_a_checkpoint_serves_as_well_through_torch(weights: Path, dataset: Dataset) -> None:
    predictor = open_predictor(weights)
    predictor.warm_up()
    assert predictor.labels == labels_of(weights) == dataset.labels
    assert predictor.predict(dataset.splits["test"].pixels).shape == (
        len(dataset.splits["test"]),
        10,
    )


def test_a_teacher_starts_from_its_packages_weights() -> None:
    net = build("efficientnet_lite0", 10, imagenet=True).eval()
    with torch.inference_mode():
        assert net(torch.rand(2, 3, 64, 64)).shape == (2, 10)
