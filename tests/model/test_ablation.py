"""Variants are trained once each, and told apart by what they were."""

from __future__ import annotations

import csv
import fcntl
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="pip install -r requirements/train.txt")

from PIL import Image

from model.data import Dataset, load
from model.errors import DataError, PlaceError, TrainingError
from model.evaluation import report as reports
from model.evaluation.evaluate import TORCH, evaluate
from model.evaluation.shifts import SHIFTS
from model.training import ablation
from model.training import report as reporting
from model.training.ablation import ablate, summary
from model.training.report import write
from model.training.train import WEIGHTS, train
from tests.model.nets import TINY, make_data


def test_an_ablation_goes_on_where_it_was_and_leaves_out_what_changes_nothing(
    tmp_path: Path, tiles: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = make_data(tmp_path / "data", tiles), tmp_path / "out"
    base = replace(TINY, stages=((1, 32),), batch=32)
    variants = ["the recipe", "without JPEG", "without teachers"]
    first = ablate(data, out, base, variants[:1], range(2))
    trained: list[Path] = []

    def counted(data: Dataset, out: Path, config):  # type: ignore[no-untyped-def]
        trained.append(out)
        return train(data, out, config)

    monkeypatch.setattr(ablation, "train", counted)
    rows = ablate(data, out, base, variants, range(2))

    assert rows[:2] == first
    assert [(row["variant"], row["seed"]) for row in rows] == [
        ("the recipe", "0"),
        ("the recipe", "1"),
        ("without JPEG", "0"),
        ("without JPEG", "1"),
    ]
    assert [path.name for path in trained] == ["without-JPEG-0", "without-JPEG-1"]
    assert list(csv.DictReader((out / "ablation.csv").open())) == rows
    assert set(SHIFTS) <= set(rows[0])


def test_a_run_that_another_process_is_about_is_left_to_it(
    tmp_path: Path, tiles: list[Path]
) -> None:
    data, out = make_data(tmp_path / "data", tiles), tmp_path / "out"
    base = replace(TINY, stages=((1, 32),), batch=32)
    (out / "the-recipe-0").mkdir(parents=True)
    with (out / "the-recipe-0" / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert [row["seed"] for row in ablate(data, out, base, ["the recipe"], range(2))] == ["1"]
    rows = ablate(data, out, base, ["the recipe"], range(2))
    assert [row["seed"] for row in rows] == ["0", "1"]


def test_an_ablation_of_another_recipe_is_not_gone_on_with(
    tmp_path: Path, tiles: list[Path]
) -> None:
    data, out = make_data(tmp_path / "data", tiles), tmp_path / "out"
    base = replace(TINY, stages=((1, 32),), batch=32)
    ablate(data, out, base, [], range(1))
    ablate(data, out, base, [], range(1))
    with pytest.raises(TrainingError, match="another recipe or of other data"):
        ablate(data, out, replace(base, peak_lr=0.5), [], range(1))


def test_the_summary_is_the_mean_over_seeds() -> None:
    shifts = dict.fromkeys(SHIFTS, "0.5")
    rows = [
        {"variant": "a", "seed": str(seed), "validation_accuracy": accuracy, **shifts}
        for seed, accuracy in enumerate(("0.9", "0.8"))
    ]
    [(variant, accuracy, spread, shifted)] = summary(rows)
    assert variant == "a"
    assert (accuracy, shifted) == pytest.approx((0.85, 0.5))
    assert spread == pytest.approx(0.0707, abs=1e-4)


def test_one_seed_has_no_spread() -> None:
    shifts = dict.fromkeys(SHIFTS, "0.5")
    rows = [
        {"variant": variant, "seed": seed, "validation_accuracy": "0.9", **shifts}
        for variant, seed in (("a", "0"), ("b", "0"), ("b", "1"))
    ]
    assert [spread for _, _, spread, _ in summary(rows)] == [None, 0.0]
    told = reporting._ablation(rows, {"stages": [[1, 32], [2, 64]]})
    assert "(1 at 32 px, 2 at 64 px)" in told
    assert "| a | 1 | 90.00% |  | 50.00% |\n| b | 2 | 90.00% | 0.00% | 50.00% |" in told


def test_curves_have_whole_epochs_and_bear_a_run_without_mistakes() -> None:
    for accuracies in (["0.5"], ["0.5", "0.9"], ["0.5", "0.8", "0.9"], ["0.9", "1.0"]):
        epochs = [
            {"epoch": str(number), "loss": "1", "validation_loss": "1", "validation_accuracy": one}
            for number, one in enumerate(accuracies, 1)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            figure = reporting._curves({"other": epochs, "run": epochs})
            figure.canvas.draw()
        for axes in figure.axes:
            low, high = axes.get_xlim()
            shown = [float(tick) for tick in axes.get_xticks() if low <= tick <= high]
            assert shown == [int(row["epoch"]) for row in epochs]


def test_the_training_report_is_written_from_what_the_commands_left(
    tmp_path: Path, tiles: list[Path]
) -> None:
    data = make_data(tmp_path / "data", tiles)
    base = replace(TINY, stages=((1, 32), (1, 48)), batch=32)
    ablate(data, tmp_path / "ablation", base, ["the recipe"], range(2))
    taught_by, stranger = (tmp_path / "ablation" / f"the-recipe-{seed}" for seed in (1, 0))
    run = tmp_path / "student"
    train(data, run, replace(base, teachers=(str(taught_by / WEIGHTS),)))
    found = evaluate(data, checkpoint=run / WEIGHTS, shifted=True)
    reports.write(found, tmp_path / "evaluation")

    with pytest.raises(DataError, match="the-recipe-0 neither taught nor began a run"):
        write([stranger, run], tmp_path / "evaluation", None, tmp_path / "report")
    assert not (tmp_path / "report").exists()
    page = write(
        [taught_by, run], tmp_path / "evaluation", tmp_path / "ablation", tmp_path / "report"
    )

    told = page.read_text()
    assert "| epochs | 2: 1 at 32 px, 1 at 48 px |" in told
    assert f"| torch fp32 | {found.forms[TORCH].accuracy:.2%} |" in told
    assert told.index("### the-recipe-1") < told.index("### student")
    assert (page.parent / "student.csv").read_bytes() == (run / "metrics.csv").read_bytes()
    assert (page.parent / "ablation.csv").exists()
    assert f"`{load(data).split_digest}`" in told
    with Image.open(page.parent / "curves.png") as picture:
        assert picture.width > 500


def test_a_report_or_an_ablation_that_cannot_be_written_is_told_before_the_work(
    tmp_path: Path,
) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(PlaceError, match="is a file, not a folder"):
        write([tmp_path], tmp_path, None, file)
    with pytest.raises(PlaceError, match="is a file, not a folder"):
        ablate(tmp_path, file, TINY, [], range(1))
    with pytest.raises(DataError, match="none does not exist; give a folder or zip"):
        ablate(tmp_path / "none", tmp_path / "ablation", TINY, [], range(1))


def test_runs_of_one_name_are_refused(tmp_path: Path) -> None:
    runs = [tmp_path / "a" / "run", tmp_path / "b" / "run"]
    for run in runs:
        run.mkdir(parents=True)
        (run / WEIGHTS).touch()
        (run / "metrics.csv").touch()
    (tmp_path / "metrics.json").touch()
    with pytest.raises(DataError, match=r"told apart by .*, and none is ablation: run, run"):
        write(runs, tmp_path, None, tmp_path / "report")


def test_a_training_report_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no weights\.safetensors, which"):
        write([tmp_path], tmp_path, None, tmp_path / "report")
    (tmp_path / WEIGHTS).touch()
    with pytest.raises(DataError, match=r"has no metrics\.csv, which"):
        write([tmp_path], tmp_path, None, tmp_path / "report")
