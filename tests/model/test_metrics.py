"""Figures follow from probabilities, and intervals and temperatures do what they say."""

from __future__ import annotations

import random

import numpy as np
import pytest

from model.evaluation.calibration import HOTTEST, fit_temperature
from model.evaluation.metrics import evaluation, expected_calibration_error, reliability, wilson

LABELS = ["a", "b", "c"]


def softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(1, keepdims=True))
    shares: np.ndarray = raised / raised.sum(1, keepdims=True)
    return shares


def calibrated(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Make probabilities, and classes drawn by them: perfectly calibrated."""
    chance = np.random.default_rng(seed)
    probabilities = softmax(chance.normal(0, 2, (n, len(LABELS))))
    drawn = (chance.random((n, 1)) > probabilities.cumsum(1)).sum(1)
    return probabilities, np.minimum(drawn, len(LABELS) - 1)


def test_accuracy_confusion_and_classes_follow_from_the_guesses() -> None:
    classes = np.array([0, 0, 0, 1, 1, 2])
    found = evaluation(np.eye(3)[[0, 0, 1, 1, 1, 0]], classes, LABELS)

    assert (found.tiles, found.accuracy) == (6, 4 / 6)
    assert found.confusion == {"a": {"a": 2, "b": 1}, "b": {"b": 2}, "c": {"a": 1}}
    assert found.classes["a"].precision == found.classes["a"].recall == 2 / 3
    assert found.classes["b"].f1 == pytest.approx(2 * (2 / 3) * 1 / (2 / 3 + 1))
    assert (found.classes["c"].precision, found.classes["c"].f1) == (None, 0)


def test_a_class_that_no_tile_shows_is_not_listed() -> None:
    found = evaluation(np.eye(3)[[0, 0]], np.array([0, 0]), LABELS)
    assert list(found.classes) == ["a"]


def test_no_tiles_are_an_error_and_not_a_figure() -> None:
    with pytest.raises(ValueError, match="no tiles"):
        evaluation(np.zeros((0, 3)), np.zeros(0, int), LABELS)


def test_log_loss_is_the_mean_surprise_in_nats() -> None:
    found = evaluation(np.array([[0.5, 0.25, 0.25]]), np.array([1]), LABELS)
    assert found.log_loss == pytest.approx(np.log(4))


def test_the_calibration_error_is_the_mean_gap_of_the_bins() -> None:
    # Ten tiles at 0.9 of which 5 are right, ten at 0.6 of which 6 are.
    probabilities = np.array([[0.9, 0.1]] * 10 + [[0.6, 0.4]] * 10)
    classes = np.array([0] * 5 + [1] * 5 + [0] * 6 + [1] * 4)
    bins = reliability(probabilities, classes)
    assert [(one.tiles, round(one.confidence, 6), one.accuracy) for one in bins] == [
        (10, 0.6, 0.6),
        (10, 0.9, 0.5),
    ]
    assert expected_calibration_error(bins) == pytest.approx(0.2)


def test_a_calibrated_model_has_next_to_no_calibration_error() -> None:
    assert expected_calibration_error(reliability(*calibrated(50_000, 1))) < 0.01


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_fitted_temperature_undoes_the_one_that_was_applied(temperature: float) -> None:
    probabilities, classes = calibrated(20_000, 2)
    distorted = softmax(np.log(probabilities) / temperature)
    assert fit_temperature(distorted, classes) == pytest.approx(1 / temperature, rel=0.05)


@pytest.mark.parametrize("temperature", [0.1, 4.0, 12.0])
def test_however_sure_a_net_is_its_temperature_is_found(temperature: float) -> None:
    probabilities, classes = calibrated(20_000, 2)
    logits = np.log(probabilities) * temperature  # of which float32 calls all but one 0
    given = softmax(logits / HOTTEST).astype(np.float32)
    assert fit_temperature(given, classes, HOTTEST) == pytest.approx(temperature, rel=0.05)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    chance = random.Random(7)
    share, n, runs = 0.97, 500, 2000
    covered = 0
    for _ in range(runs):
        low, high = wilson(sum(chance.random() < share for _ in range(n)), n)
        covered += low <= share <= high
    assert covered / runs == pytest.approx(0.95, abs=0.02)
