"""Training resumes exactly, and says what it was made from."""

from __future__ import annotations

import csv
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="pip install -r requirements/train.txt")

from model.data import load  # noqa: E402
from model.errors import AstrayError, CheckpointError, ConfigError, TrainingError  # noqa: E402
from model.places import held  # noqa: E402
from model.reference import checkpoint  # noqa: E402
from model.reference.predictor import TorchPredictor  # noqa: E402
from model.training.augment import augment  # noqa: E402
from model.training.config import Config  # noqa: E402
from model.training.export import held_out  # noqa: E402
from model.training.lineage import kept_apart  # noqa: E402
from model.training.train import LOCK, RESUME, WEIGHTS, learning_rate, train  # noqa: E402
from tests.model.nets import TINY, make_data  # noqa: E402


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, tiles: list[Path]) -> Path:
    return make_data(tmp_path_factory.mktemp("data"), tiles)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    return train(data, tmp_path_factory.mktemp("whole"), TINY)


class Killed(Exception):
    """Stands for a kill: it leaves train() in the middle of a step."""


def train_until(
    step: int, data: Path, out: Path, config: Config, patches: pytest.MonkeyPatch
) -> None:
    """Train, and be killed in the middle of a step."""
    steps = 0

    def deadly(*arguments):  # type: ignore[no-untyped-def]
        nonlocal steps
        steps += 1
        if steps == step:
            raise Killed
        return augment(*arguments)

    with patches.context() as patched:
        patched.setattr("model.training.batches.augment", deadly)
        with pytest.raises(Killed):
            train(data, out, config)


def last_saved_ns(run: Path) -> int:
    """Return when the state of a run was last saved, 0 if it has not been."""
    try:
        return (run / RESUME).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as file:
        return [
            {name: figure for name, figure in row.items() if name != "elapsed_s"}
            for row in csv.DictReader(file)
        ]


@pytest.mark.parametrize("step", [2, 5, 8], ids=["before a save", "after it", "second stage"])
def test_a_run_that_was_killed_ends_as_if_it_had_not_been(
    step: int, tmp_path: Path, data: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_until(step, data, tmp_path, TINY, monkeypatch)
    resumed, _ = checkpoint.load(train(data, tmp_path, TINY))
    whole, _ = checkpoint.load(weights)
    assert resumed.keys() == whole.keys()
    for name, tensor in whole.items():
        assert torch.equal(tensor, resumed[name]), name
    assert rows(tmp_path) == rows(weights.parent)
    assert [row["epoch"] for row in rows(tmp_path)] == ["1", "2"]


def test_a_finished_run_is_not_run_again(
    weights: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = shutil.copytree(weights.parent, tmp_path / "copy")
    with monkeypatch.context() as patched:
        patched.setattr("model.training.batches.augment", None)  # a step would fail
        train(data, out, TINY)
    assert (out / WEIGHTS).read_bytes() == weights.read_bytes()


def test_two_do_not_train_into_one_folder(data: Path, tmp_path: Path) -> None:
    with (
        held(tmp_path / "run" / LOCK, wait=False),
        pytest.raises(TrainingError, match=r"another process trains into .*run: wait"),
    ):
        train(data, tmp_path / "run", TINY)
    assert [path.name for path in (tmp_path / "run").iterdir()] == [LOCK]


def test_weights_of_an_unknown_run_are_not_replaced(
    weights: Path, data: Path, tmp_path: Path
) -> None:
    shutil.copy(weights, tmp_path / WEIGHTS)
    with pytest.raises(TrainingError, match=r"is there and resume\.safetensors, .* is not: move"):
        train(data, tmp_path, TINY)
    assert (tmp_path / WEIGHTS).read_bytes() == weights.read_bytes()


def test_another_recipe_or_other_data_do_not_go_on_from_a_run(
    weights: Path, data: Path, tiles: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=r"peak_lr was 0\.05, now 0\.1"):
        train(data, weights.parent, replace(TINY, peak_lr=0.1))
    with pytest.raises(TrainingError, match="digest was"):
        train(make_data(tmp_path, tiles, n=55), weights.parent, TINY)


def test_a_training_process_that_is_killed_at_any_time_goes_on(
    tmp_path: Path, data: Path, weights: Path
) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "cli", "train", "--data", str(data), "--out", str(out)]
    for name in ("arch=resnet18", "stages=[[1, 32], [1, 64]]", "batch=8", "peak_lr=0.05"):
        command += ["--set", name]
    command += ["--set", "save_every=3"]
    partial, saved_ns = out / f"{RESUME}.partial", 0

    def saved() -> bool:
        return last_saved_ns(out) > saved_ns

    for wanted in (saved, partial.exists, saved):  # after a save, and in the middle of one
        with (tmp_path / "told").open("wb") as told:
            process = subprocess.Popen(command, stdout=told, stderr=told)
        while process.poll() is None and not wanted():
            time.sleep(0.001)
        process.kill()
        assert process.wait() == -signal.SIGKILL, (tmp_path / "told").read_text()
        assert not (out / WEIGHTS).exists()
        partial.unlink(missing_ok=True)  # so that the next one is seen
        saved_ns = last_saved_ns(out)
    subprocess.run(command, check=True, capture_output=True)
    resumed, _ = checkpoint.load(out / WEIGHTS)
    for name, tensor in checkpoint.load(weights)[0].items():
        assert torch.equal(tensor, resumed[name]), name
    assert rows(out) == rows(weights.parent)


def test_a_net_learns_its_tiles(data: Path, tmp_path: Path) -> None:
    easy = replace(TINY, soften=0, jpeg=0, brightness=0, contrast=0, shift_px=0, label_smoothing=0)
    weights = train(data, tmp_path, replace(easy, stages=((14, 32),), batch=16, ema_decay=0.5))
    tiles = load(data).splits["train"]
    given = TorchPredictor.open(weights).predict(tiles.pixels)
    assert (given.argmax(1) == tiles.classes).mean() > 0.35  # guesses would be right in 0.1


def test_another_teacher_of_the_same_name_does_not_go_on_with_a_run(
    weights: Path, data: Path, tmp_path: Path
) -> None:
    teacher = Path(shutil.copy(weights, tmp_path / "teacher.safetensors"))
    config = replace(TINY, stages=((1, 32),), teachers=(str(teacher),))
    train(data, tmp_path / "run", config)
    net, about = checkpoint.read(teacher)
    checkpoint.write(teacher, net, replace(about, recipe={}))
    with pytest.raises(TrainingError, match=r"teacher\.safetensors was"):
        train(data, tmp_path / "run", config)


def test_a_net_that_takes_no_such_images_is_told_before_it_starts(
    data: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="does not take 32x32 pixels: Wrong image height"):
        train(data, tmp_path, replace(TINY, arch="vit_b_32"))


def test_a_damaged_checkpoint_is_told_and_kept(weights: Path, data: Path, tmp_path: Path) -> None:
    damaged = (weights.parent / RESUME).read_bytes()[:-100]
    (tmp_path / RESUME).write_bytes(damaged)
    with pytest.raises(CheckpointError, match=RESUME):
        train(data, tmp_path, TINY)
    assert (tmp_path / RESUME).read_bytes() == damaged


def test_weights_say_what_they_were_made_from(weights: Path, data: Path) -> None:
    _, about = checkpoint.read(weights)
    dataset = load(data)
    assert about.labels == dataset.labels
    assert (about.arch, about.tile_px, about.net_px) == ("resnet18", 64, 64)
    assert (about.data["digest"], about.data["split_digest"]) == (
        dataset.digest,
        dataset.split_digest,
    )
    assert about.recipe["batch"] == TINY.batch


def test_tensorboard_has_what_the_csv_has(weights: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(weights.parent))
    events.Reload()
    shown = [scalar.value for scalar in events.Scalars("validation_accuracy")]
    assert shown == pytest.approx(
        [float(row["validation_accuracy"]) for row in rows(weights.parent)]
    )


def test_too_few_tiles_are_told(tmp_path: Path, data: Path) -> None:
    with pytest.raises(TrainingError, match="a batch takes 512"):
        train(data, tmp_path, replace(TINY, batch=512))


def test_a_net_goes_on_from_anothers_weights(weights: Path, data: Path, tmp_path: Path) -> None:
    still = replace(TINY, start=str(weights), peak_lr=0.0, stages=((1, 32),), ema_decay=0.0)
    began, _ = checkpoint.load(weights)
    ended, _ = checkpoint.load(train(data, tmp_path, still))
    assert torch.equal(began["layer1.0.conv1.weight"], ended["layer1.0.conv1.weight"])


def test_a_net_says_whether_all_that_made_it_kept_the_splits_apart(
    weights: Path, data: Path, tiles: list[Path], tmp_path: Path
) -> None:
    dataset, other = load(data), load(make_data(tmp_path / "data", tiles, n=70))
    silent = tmp_path / "silent.safetensors"
    checkpoint.save(silent, checkpoint.load(weights)[0], {})
    for changed, of, apart in (
        ({}, dataset, True),
        ({"start": str(weights)}, dataset, True),
        ({"start": str(weights)}, other, False),
        ({"start": str(silent)}, dataset, False),
        ({"teachers": (str(weights), str(silent))}, dataset, False),
    ):
        assert kept_apart(replace(TINY, **changed), of) is apart, changed
    about = checkpoint.read(weights)[1]
    assert held_out(about, dataset)
    assert not held_out(about, other)
    assert not held_out(replace(about, made=about.made | {"kept_apart": False}), dataset)
    began = replace(about, made={}, recipe=about.recipe | {"start": "another"})  # long ago
    assert not held_out(began, dataset)


def test_a_net_of_another_architecture_is_no_start(
    weights: Path, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="does not fit"):
        train(data, tmp_path, replace(TINY, arch="resnet34", start=str(weights)))
    with pytest.raises(CheckpointError, match="does not fit"):  # nor is what a run goes on from
        train(data, tmp_path, replace(TINY, start=str(weights.parent / RESUME)))


def test_a_killed_student_goes_on_with_its_teacher_as_if_it_had_not_been(
    weights: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(TINY, teachers=(str(weights),), mixup=0.2, cutmix=0.5)
    whole, _ = checkpoint.load(train(data, tmp_path / "whole", config))
    train_until(5, data, tmp_path / "killed", config, monkeypatch)
    resumed, _ = checkpoint.load(train(data, tmp_path / "killed", config))
    for name, tensor in whole.items():
        assert torch.equal(tensor, resumed[name]), name


def test_data_of_another_size_are_told(data: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="was loaded at 32 px, and tile_px is 64"):
        train(load(data, tile_px=32), tmp_path, TINY)


def test_a_run_that_goes_astray_ends_and_keeps_nothing_of_it(data: Path, tmp_path: Path) -> None:
    with pytest.raises(AstrayError, match=r"the loss is (nan|inf) after \d+ steps"):
        train(data, tmp_path, replace(TINY, peak_lr=1e9, warmup=0.0, save_every=1))
    assert not (tmp_path / WEIGHTS).exists()
    tensors, _ = checkpoint.load(tmp_path / RESUME)
    assert all(bool(one.isfinite().all()) for one in tensors.values())


def test_a_batch_that_a_gpu_has_no_memory_for_is_told(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("model.training.state.State.advance", full)
    with pytest.raises(TrainingError, match=r"a batch of 8 at 64 px .* lower batch \(CUDA out"):
        train(data, tmp_path, TINY)


def test_the_learning_rate_rises_and_then_falls_to_nothing() -> None:
    config = Config(peak_lr=0.4, warmup=0.25)
    rates = [learning_rate(config, done) for done in np.linspace(0, 1, 101)]
    assert max(rates) == rates[25] == pytest.approx(0.4)
    assert rates[:26] == sorted(rates[:26])
    assert rates[25:] == sorted(rates[25:], reverse=True)
    assert rates[-1] == pytest.approx(0)
