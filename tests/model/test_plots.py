"""What is drawn can be read, however few the tiles and whatever the classes are called."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pip install -r requirements/train.txt")

from matplotlib.image import imread

from model.evaluation import plots, report
from model.evaluation.evaluate import Findings, Mistake
from model.evaluation.letters import Letters
from model.evaluation.metrics import Evaluation, evaluation

NOBODYS = "\U0010fffd"  # a letter that is in no font, as these are on a machine without fonts: 森林


def measured(labels: list[str], right: int, wrong: int = 0) -> Evaluation:
    """Return what is found of a model that takes ``wrong`` tiles of each class for the next."""
    n = len(labels)
    classes = np.repeat(np.arange(n), right + wrong)
    guesses = classes.copy()
    guesses[np.tile(np.arange(right + wrong) >= right, n)] += 1
    return evaluation(np.eye(n)[guesses % n], classes, labels)


def findings(labels: list[str], right: int, wrong: int = 0) -> Findings:
    found = measured(labels, right, wrong)
    tile = np.zeros((64, 64, 3), np.uint8)
    return Findings(
        model="little-0",
        labels=labels,
        split="test",
        data={"digest": "0", "split_digest": "0"},
        forms={"OpenVINO INT8": found},
        shifts={"JPEG quality 30": measured(labels, 1, 2)},
        mistakes=[Mistake("1.jpg", labels[0], labels[-1], 0.5, tile)],
    )


def test_every_label_is_written_or_has_a_number_that_the_page_explains(tmp_path: Path) -> None:
    # ℊ is in another of matplotlib's own fonts; the last two are no formulas.
    labels = ["Río", "Река", "النهر", "森林", NOBODYS, "ℊ", "$\\x", "$a$"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a letter that is missing
        page = report.write(findings(labels, 2, 1), tmp_path)
    letters = Letters.of(labels)
    assert (letters.names["Река"], letters.names["ℊ"]) == ("Река", "ℊ")
    assert letters.numbered["class 5"] == NOBODYS
    assert f"class 5 is {NOBODYS}." in page.read_text()


def test_of_a_thousand_classes_the_pictures_show_the_worst(tmp_path: Path) -> None:
    labels = [f"class {number}" for number in range(1000)]
    page = report.write(findings(labels, 1, 1), tmp_path)
    assert f"show {plots.MOST_CLASSES} at most, those with" in " ".join(page.read_text().split())
    for name in ("classes.png", "confusion.png"):
        assert max(imread(tmp_path / name).shape) < 5000, name  # pixels a side


def test_of_many_classes_what_was_taken_for_one_without_tiles_is_shown() -> None:
    labels = [f"class {number:02}" for number in range(50)]
    classes = np.arange(20)
    few = evaluation(np.eye(50)[np.where(classes == 3, 44, classes)], classes, labels)
    found = replace(findings(labels, 1), forms={"OpenVINO INT8": few})
    assert plots._confused(found) == [*labels[:20], "class 44"]
    assert f"No tiles of: {', '.join(labels[20:])}" in report.text(found)


def test_where_all_labels_can_be_written_no_number_is_explained(tmp_path: Path) -> None:
    page = report.write(findings(["Cat", "Dog"], 3), tmp_path)
    assert "pictures have numbers" not in page.read_text()


@pytest.mark.parametrize(("right", "wrong"), [(3, 0), (0, 3), (2, 1), (999, 1)])
def test_no_axis_goes_on_where_no_share_can_be(right: int, wrong: int) -> None:
    found = findings(["Cat", "Dog"], right, wrong)
    figures = plots._classes(found.served, {"Cat": "Cat", "Dog": "Dog"}), plots._shifts(found)
    for figure in figures:
        [axes] = figure.axes
        low, high = axes.get_xlim()
        shown = [tick for tick in axes.get_xticks() if low <= tick <= high]
        assert len(shown) > 1
        assert -1e-9 <= min(shown) < max(shown) <= 1 + 1e-9


def test_a_legend_is_above_the_rows_and_no_figure_is_in_an_intervals_way() -> None:
    found = findings(["Cat", "Dog"], 3)
    [axes] = plots._classes(found.served, {"Cat": "Cat", "Dog": "Dog"}).axes
    legend = axes.get_legend()
    assert legend
    assert legend.get_window_extent().y0 >= axes.get_window_extent().y1

    [axes] = plots._shifts(found).axes
    assert [text.get_text() for text in axes.texts] == ["100.00%", "33.33%"]
    for text in axes.texts:
        assert text.get_window_extent().x0 > axes.get_window_extent().x1


def test_a_long_label_stays_above_its_tile() -> None:
    long = "a class of a very long name"
    found = findings([long, "Dog"], 1, 1)
    [axes] = plots._mistakes(found, {long: long, "Dog": "Dog"}).axes
    assert axes.texts[0].get_text() == "is a class of a very lon…"
