"""A student learns what its teachers think of what it is shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="pip install -r requirements/train.txt")

from safetensors.torch import save_file  # noqa: E402

from model.data import load  # noqa: E402
from model.errors import CheckpointError  # noqa: E402
from model.reference import checkpoint  # noqa: E402
from model.reference.architecture import build, resized  # noqa: E402
from model.training.batches import Batches  # noqa: E402
from model.training.teachers import Teachers  # noqa: E402
from model.training.train import train  # noqa: E402
from tests.model.nets import TINY, make_data  # noqa: E402


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, tiles: list[Path]) -> Path:
    return make_data(tmp_path_factory.mktemp("data"), tiles)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """Train a teacher."""
    return train(data, tmp_path_factory.mktemp("teacher"), TINY)


def test_a_student_is_asked_about_what_its_teachers_were_and_learns_their_word(
    weights: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(
        TINY, stages=((1, 32),), teachers=(str(weights),), distil=0.7, label_smoothing=0.1
    )
    asked, shown, wanted = [], [], []
    word = torch.eye(10)[3]  # the teacher takes all for the fourth class
    net_class = type(build("resnet18", 10))
    cross_entropy, forward = torch.nn.functional.cross_entropy, net_class.forward

    def teach(_: Teachers, images):  # type: ignore[no-untyped-def]
        asked.append(images)
        return word.expand(len(images), 10)

    def see(net, images):  # type: ignore[no-untyped-def]
        if net.training:
            shown.append(images)
        return forward(net, images)

    def judge(given, target, **how):  # type: ignore[no-untyped-def]
        if target.is_floating_point():
            wanted.append(target)
        return cross_entropy(given, target, **how)

    with monkeypatch.context() as patched:
        patched.setattr(Teachers, "__call__", teach)
        patched.setattr(net_class, "forward", see)
        patched.setattr(torch.nn.functional, "cross_entropy", judge)
        train(data, tmp_path, config)

    batches = Batches(load(data).splits["train"], 10, config, "cpu")
    assert len(asked) == len(shown) == len(wanted) == batches.per_epoch
    for step, (question, image, target) in enumerate(zip(asked, shown, wanted, strict=True)):
        view, label = batches(step)
        assert torch.equal(question, view)  # before it is made smaller for the student
        assert torch.equal(image, resized(view, 32))
        assert torch.allclose(target, 0.3 * label + 0.7 * word)


def test_a_student_begins_the_same_with_a_teacher_and_without(
    weights: Path, data: Path, tmp_path: Path
) -> None:
    still = replace(TINY, stages=((1, 32),), peak_lr=0.0, ema_decay=0.0)
    alone, _ = checkpoint.load(train(data, tmp_path / "alone", still))
    taught, _ = checkpoint.load(
        train(data, tmp_path / "taught", replace(still, teachers=(str(weights),)))
    )
    assert torch.equal(alone["layer1.0.conv1.weight"], taught["layer1.0.conv1.weight"])


def test_teachers_give_the_mean_of_what_each_says_at_its_own_size(
    weights: Path, data: Path, tmp_path: Path
) -> None:
    labels = load(data).labels
    other = train(data, tmp_path, replace(TINY, seed=1, stages=((1, 48),)))
    images = torch.rand(4, 3, 64, 64)
    apart = [
        Teachers(replace(TINY, teachers=paths), labels, "cpu", bf16=False)(images)
        for paths in ((str(weights),), (str(other),), (str(weights), str(other)))
    ]
    nets = [checkpoint.read(path)[0] for path in (weights, other)]
    with torch.inference_mode():
        assert torch.allclose(apart[0], nets[0](images).softmax(1), atol=1e-5)
        assert torch.allclose(apart[1], nets[1](resized(images, 48)).softmax(1), atol=1e-5)
    assert not torch.allclose(apart[0], apart[1], atol=1e-3)
    assert torch.allclose(apart[2], (apart[0] + apart[1]) / 2)


def test_teachers_are_asked_in_the_precision_of_the_run_and_learn_nothing(
    weights: Path, data: Path
) -> None:
    labels, images = load(data).labels, torch.rand(4, 3, 64, 64, requires_grad=True)
    config = replace(TINY, teachers=(str(weights),))
    full, half = (Teachers(config, labels, "cpu", bf16=bf16)(images) for bf16 in (False, True))
    assert full.dtype == half.dtype == torch.float32
    assert not torch.equal(full, half)
    assert torch.allclose(full, half, atol=0.05)
    assert not full.requires_grad


def test_a_teacher_that_does_not_fit_is_told(weights: Path, data: Path, tmp_path: Path) -> None:
    net, about = checkpoint.read(weights)
    for name, changed in (
        ("other", replace(about, labels=about.labels[::-1])),
        ("large", replace(about, tile_px=224)),
    ):
        checkpoint.write(tmp_path / name, net, changed)
    (tmp_path / "text").write_text("no net")
    save_file(net.state_dict(), tmp_path / "foreign.safetensors")
    for name, told in (
        ("other", "knows SeaLake.*; the data have AnnualCrop"),
        ("large", "learned from tiles of 224 px.*of 64; tile_px=224"),
        ("foreign.safetensors", "has to be a weights.safetensors that `skylane train` wrote"),
        ("text", "^teacher .*text is not a safetensors file"),
        ("nothing", "^teacher .*nothing does not exist"),
        (".", r"is a folder; give the weights\.safetensors in it"),
    ):
        config = replace(TINY, teachers=(str(tmp_path / name),))
        with pytest.raises(CheckpointError, match=told):
            train(data, tmp_path / "run", config)


def test_a_net_that_went_astray_teaches_nobody_and_starts_none(
    weights: Path, data: Path, tmp_path: Path
) -> None:
    net, about = checkpoint.read(weights)
    net.state_dict()["fc.bias"][0] = torch.nan
    astray = str(tmp_path / "astray.safetensors")
    checkpoint.write(Path(astray), net, about)
    for config, told in (
        (replace(TINY, teachers=(astray,)), r"^teacher .*NaN or infinite weights \(as fc\.bias\)"),
        (replace(TINY, start=astray), r"^/.*NaN or infinite weights \(as fc\.bias\)"),
    ):
        with pytest.raises(CheckpointError, match=told):
            train(data, tmp_path / "run", config)
