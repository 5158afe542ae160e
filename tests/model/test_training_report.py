"""What is told of a model's training is what the commands left, and belongs together."""

from __future__ import annotations

import json
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="pip install -r requirements/train.txt")

from PIL import Image

from model.data import load
from model.errors import DataError, PlaceError
from model.evaluation import report as reports
from model.evaluation.evaluate import TORCH, evaluate
from model.reference import checkpoint
from model.training import report as reporting
from model.training.ablation import ablate
from model.training.report import write
from model.training.train import WEIGHTS, train
from tests.model.nets import TINY, make_data


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


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, tiles: list[Path]) -> Path:
    return make_data(tmp_path_factory.mktemp("data"), tiles)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """Return what the commands left: an ablation, and a student that one run of it taught."""
    folder = tmp_path_factory.mktemp("left")
    base = replace(TINY, stages=((1, 32), (1, 48)), batch=32)
    ablate(data, folder / "ablation", base, ["the recipe"], range(2))
    teacher = folder / "ablation" / "the-recipe-1" / WEIGHTS
    train(data, folder / "student", replace(base, teachers=(str(teacher),)))
    found = evaluate(data, checkpoint=folder / "student" / WEIGHTS, shifted=True)
    reports.write(found, folder / "evaluation")
    return folder


def test_the_training_report_is_written_from_what_the_commands_left(
    left: Path, data: Path, tmp_path: Path
) -> None:
    runs = [left / "ablation" / "the-recipe-1", left / "student"]
    page = write(runs, left / "evaluation", left / "ablation", tmp_path / "report")
    told = page.read_text()
    assert "| epochs | 2: 1 at 32 px, 1 at 48 px |" in told
    found = json.loads((left / "evaluation" / "metrics.json").read_text())
    assert f"| {TORCH} | {found['forms'][TORCH]['accuracy']:.2%} |" in told
    assert "On the test split, which had no part in training." in told
    assert told.index("### the-recipe-1") < told.index("### student")
    assert "| from | scratch |" in told
    assert "| from | the-recipe-1 |" in told
    assert (page.parent / "student.csv").read_bytes() == (runs[1] / "metrics.csv").read_bytes()
    for name, written in (("ablation.csv", "ablation.csv"), ("ablation.json", "base.json")):
        assert (page.parent / name).read_bytes() == (left / "ablation" / written).read_bytes()
    assert f"`{load(data).split_digest}`" in told
    with Image.open(page.parent / "curves.png") as picture:
        assert picture.width > 500


def test_a_teacher_that_is_not_told_of_is_named(left: Path, tmp_path: Path) -> None:
    page = write([left / "student"], left / "evaluation", None, tmp_path / "report")
    teacher = left / "ablation" / "the-recipe-1" / WEIGHTS
    assert f"| from | `{teacher}`, which is not told of here |" in page.read_text()
    assert "which had no part in training" in page.read_text()  # the student knows of its teacher


def test_a_run_that_does_not_say_so_kept_apart_what_all_that_is_told_of_did(
    left: Path, tmp_path: Path
) -> None:
    earlier = Path(shutil.copytree(left / "student", tmp_path / "student"))
    net, about = checkpoint.read(earlier / WEIGHTS)
    made = {name: one for name, one in about.made.items() if name != "kept_apart"}
    checkpoint.write(earlier / WEIGHTS, net, replace(about, made=made))
    found = json.loads((left / "evaluation" / "metrics.json").read_text())
    found["checkpoint"] = checkpoint.file_digest(earlier / WEIGHTS)
    (tmp_path / "metrics.json").write_text(json.dumps(found))
    teacher = left / "ablation" / "the-recipe-1"
    for runs, told in (
        ([teacher, earlier], "which had no part in training"),
        ([earlier], "had seen some of its tiles is not known"),
    ):
        assert told in write(runs, tmp_path, None, tmp_path / "report").read_text()


def test_what_does_not_belong_together_is_refused(
    left: Path, tiles: list[Path], tmp_path: Path
) -> None:
    student = left / "student"
    teacher, stranger = (left / "ablation" / f"the-recipe-{seed}" for seed in (1, 0))
    metrics = json.loads((left / "evaluation" / "metrics.json").read_text())

    def evaluation(name: str, **changed: object) -> Path:
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.json").write_text(json.dumps(metrics | changed))
        return tmp_path / name

    other = make_data(tmp_path / "other", tiles, n=70)
    ablate(
        other, tmp_path / "elsewhere", replace(TINY, stages=((1, 32),)), ["the recipe"], range(1)
    )
    ablate(other, tmp_path / "begun", TINY, [], range(1))
    same = evaluation("same")
    for runs, found, tried, told in (
        ([stranger, student], same, None, "the-recipe-0 neither taught nor began a run"),
        ([student, teacher], same, None, r"is not of .*the-recipe-1/weights\.safetensors"),
        ([student], evaluation("split", split="train"), None, "is not of the test split"),
        ([student], evaluation("data", data={"digest": "0"}), None, "is not of the test split"),
        ([student], evaluation("none", checkpoint=None), None, "`skylane evaluate --checkpoint`"),
        ([student], same, tmp_path / "elsewhere", "is of other data than the runs"),
        ([student], same, tmp_path / "begun", "has no run that is finished"),
    ):
        with pytest.raises(DataError, match=told):
            write(runs, found, tried, tmp_path / "report")
        assert not (tmp_path / "report").exists()


def test_a_run_may_have_begun_with_another(left: Path, data: Path, tmp_path: Path) -> None:
    first = left / "student"
    recipe = replace(TINY, stages=((1, 32),), batch=32, start=str(first / WEIGHTS))
    train(data, tmp_path / "further", recipe)
    reports.write(evaluate(data, checkpoint=tmp_path / "further" / WEIGHTS), tmp_path / "found")
    page = write([first, tmp_path / "further"], tmp_path / "found", None, tmp_path / "report")
    assert "| from | student |" in page.read_text()


def test_a_run_on_other_data_is_not_said_to_have_never_seen_the_test_split(
    left: Path, data: Path, tiles: list[Path], tmp_path: Path
) -> None:
    recipe = replace(TINY, stages=((1, 32),), batch=32)
    train(make_data(tmp_path / "other", tiles, n=70), tmp_path / "before", recipe)
    start = str(tmp_path / "before" / WEIGHTS)
    train(data, tmp_path / "further", replace(recipe, start=start))
    reports.write(evaluate(data, checkpoint=tmp_path / "further" / WEIGHTS), tmp_path / "found")
    runs = [tmp_path / "before", tmp_path / "further"]
    told = write(runs, tmp_path / "found", None, tmp_path / "report").read_text()
    assert "which had no part in training" not in told
    assert "had seen some of its tiles is not known" in told


HEAD = "epoch,loss,validation_loss,validation_accuracy\n"


def test_figures_that_are_damaged_or_of_another_run_are_told(left: Path, tmp_path: Path) -> None:
    run = shutil.copytree(left / "student", tmp_path / "student")
    found = left / "evaluation"
    for place, file, text, told in (
        (run, "metrics.csv", "epoch,validation_accuracy\n", "list index out of range"),
        (
            run,
            "metrics.csv",
            f"{HEAD}1,1,1,1\n",
            r"has 1 epochs, of 2 that weights",
        ),
        (run, "metrics.csv", f"{HEAD}1,x,1,1\n2,1,1,1\n", "could not convert string to float"),
        (run, "metrics.csv", "epoch\n1\n2\n", "KeyError: 'loss'"),
        (None, "metrics.json", "", "JSONDecodeError"),
        (None, "metrics.json", '{"split": "test"}', "'forms'.*`skylane evaluate --report` makes"),
    ):
        damaged = place or shutil.copytree(found, tmp_path / "found", dirs_exist_ok=True)
        whole = (damaged / file).read_text()
        (damaged / file).write_text(text)
        with pytest.raises(DataError, match=told):
            write([run], damaged if place is None else found, None, tmp_path / "report")
        (damaged / file).write_text(whole)
    assert not (tmp_path / "report").exists()
    write([run], tmp_path / "found", None, tmp_path / "report")


def test_a_page_of_another_kind_is_not_replaced(left: Path, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(b"# Mine \xff")
    with pytest.raises(PlaceError, match="is there, and no report of this kind"):
        write([left / "student"], left / "evaluation", None, tmp_path)
    assert (tmp_path / "README.md").read_bytes() == b"# Mine \xff"
    for _ in range(2):
        write([left / "student"], left / "evaluation", None, tmp_path / "report")


def test_a_report_that_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(PlaceError, match="is a file, not a folder"):
        write([tmp_path], tmp_path, None, file)


def test_runs_of_one_name_are_refused(tmp_path: Path) -> None:
    runs = [tmp_path / "a" / "run", tmp_path / "b" / "run", tmp_path / "ablation"]
    for run in runs:
        run.mkdir(parents=True)
        (run / WEIGHTS).touch()
        (run / "metrics.csv").touch()
    (tmp_path / "metrics.json").touch()
    with pytest.raises(DataError, match=r"told apart by .*, and none is ablation: run, run"):
        write(runs[:2], tmp_path, None, tmp_path / "report")
    with pytest.raises(DataError, match="none is ablation: run, ablation"):
        write(runs[1:], tmp_path, None, tmp_path / "report")


def test_a_training_report_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no weights\.safetensors, which"):
        write([tmp_path], tmp_path, None, tmp_path / "report")
    (tmp_path / WEIGHTS).touch()
    with pytest.raises(DataError, match=r"has no metrics\.csv, which"):
        write([tmp_path], tmp_path, None, tmp_path / "report")
