"""Any classifier of torchvision's becomes servable; one that does not fit is told why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="pip install -r requirements/train.txt")

from model.artefact import Artefact  # noqa: E402
from model.data import load  # noqa: E402
from model.errors import CheckpointError, ConfigError  # noqa: E402
from model.evaluation.evaluate import evaluate  # noqa: E402
from model.reference import checkpoint  # noqa: E402
from model.reference.architecture import Servable, build  # noqa: E402
from model.reference.checkpoint import About  # noqa: E402
from model.reference.predictor import TorchPredictor  # noqa: E402
from model.serving import open_predictor  # noqa: E402
from settings import Settings  # noqa: E402
from tests.cli.command import skylane_here  # noqa: E402
from tests.model.nets import make_data  # noqa: E402

OTHER_LABELS = ["River", "Forest", "SeaLake", "Pasture"]  # neither ten nor in order


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a ResNet18 for other labels, as someone else would have saved it."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("foreign") / "resnet18.pt"
    net = build("resnet18", len(OTHER_LABELS))
    with torch.no_grad():
        net.state_dict()["fc.weight"].mul_(40)  # untrained, but of decided opinions
    torch.save(net.state_dict(), path)
    return path


def test_any_torchvision_classifier_becomes_servable(
    foreign: Path, tiles: list[Path], tmp_path: Path
) -> None:
    labels = tmp_path / "labels.txt"
    # As Windows writes a text.
    labels.write_text("\r\n".join(OTHER_LABELS) + "\r\n", encoding="utf-8-sig")
    mine = [tile for tile in tiles if tile.parent.name in OTHER_LABELS]
    data = make_data(tmp_path / "data", mine, n=40)
    out = tmp_path / "mine.zip"
    ended = skylane_here(
        *("export", "--checkpoint", str(foreign), "--arch", "resnet18", "--labels", str(labels)),
        *("--tile-px", "96", "--data", str(data), "--out", str(out)),
    )
    assert ended.returncode == 0, ended.stderr
    assert "OpenVINO INT8" in ended.stdout
    assert "it may know some of the test split by heart" in ended.stderr
    assert "no better than to name the most frequent class" in ended.stderr  # it is untrained
    assert Artefact.open(out).manifest["measured"]["held_out"] is False

    beside = skylane_here(
        *("evaluate", "--artefact", str(out), "--checkpoint", str(foreign), "--arch", "resnet18"),
        *("--labels", str(labels), "--tile-px", "96", "--data", str(data)),
    )
    assert beside.returncode == 0, beside.stderr
    assert "torch fp32" in beside.stdout
    # Another net that says as little of itself is told from it all the same.
    about = About("resnet18", OTHER_LABELS, 96, 96)
    other = tmp_path / "other.pt"
    torch.save(build("resnet18", len(OTHER_LABELS)).state_dict(), other)
    with pytest.raises(CheckpointError, match="it was made from a file of SHA-256"):
        evaluate(data, artefact=out, checkpoint=other, about=about)

    predictor = open_predictor(out)
    assert (predictor.labels, predictor.tile_px) == (OTHER_LABELS, 96)
    assert predictor.version.startswith("mine-")
    net = build("resnet18", len(OTHER_LABELS))
    net.load_state_dict(torch.load(foreign, weights_only=True))
    pixels = load(data, tile_px=96, labels=OTHER_LABELS).splits["train"].pixels
    temperature = Artefact.open(out).manifest["temperature"]
    reference = TorchPredictor(Servable(net, 96, temperature), OTHER_LABELS, "reference", 96)

    def logits(probabilities: np.ndarray) -> np.ndarray:
        centred = np.log(probabilities) - np.log(probabilities).mean(1, keepdims=True)
        return np.asarray(centred * temperature)

    served, expected = logits(predictor.predict(pixels)), logits(reference.predict(pixels))
    spread = np.abs(expected).mean()
    assert np.abs(served - expected).mean() < 0.2 * spread
    assert np.abs(served[:, ::-1] - expected).mean() > 0.5 * spread  # in the labels' order


def test_what_was_measured_on_one_class_says_which_it_was_not_measured_on(
    foreign: Path, tiles: list[Path], tmp_path: Path
) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(OTHER_LABELS))
    rivers = [tile for tile in tiles if tile.parent.name == "River"]
    data = make_data(tmp_path / "data", rivers, n=40)
    ended = skylane_here(
        *("export", "--checkpoint", str(foreign), "--arch", "resnet18", "--labels", str(labels)),
        *("--data", str(data), "--out", str(tmp_path / "m.zip"), "--precision", "fp16"),
    )
    assert ended.returncode == 0, ended.stderr
    assert "Not measured, for want of test tiles: Forest, SeaLake, Pasture" in ended.stderr
    assert "no better than" not in ended.stderr  # of one class nothing else can be said


@pytest.mark.parametrize(
    ("about", "told"),
    [
        (About("resnet81", OTHER_LABELS), "near it: resnet18"),
        (About("resnet34", OTHER_LABELS), r"of 218 tensors: 80 missing \(as layer1\.2\."),
        (About("resnet18", ["River", "Forest", "River", "Pasture"]), "a label is there twice"),
        (About("resnet18", OTHER_LABELS[:3]), "tells 4 classes apart, and 3 labels were given"),
        (About("resnet18", [*OTHER_LABELS, "Industrial"]), "4 classes apart, and 5 labels were"),
    ],
)
def test_a_foreign_checkpoint_that_does_not_fit_is_told(
    foreign: Path, about: About, told: str
) -> None:
    with pytest.raises((CheckpointError, ConfigError), match=told):
        checkpoint.read_foreign(foreign, about)


def test_what_is_no_checkpoint_is_told_by_what_it_is(foreign: Path, tmp_path: Path) -> None:
    tensor = torch.zeros(2)
    checkpoint.save(tmp_path / "resume.safetensors", {"average/fc.bias": tensor}, {"digest": "0"})
    for path, told in (
        (Settings().artefact, "but an artefact, as is served"),
        (foreign, "--arch and --labels"),
        (tmp_path / "resume.safetensors", r"the net itself is weights\.safetensors"),
    ):
        with pytest.raises(CheckpointError, match=told):
            checkpoint.read(path)
