"""Accuracy, its interval, and the served model's own."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest

from model.artefact import Artefact
from model.data import Tiles
from model.evaluate import evaluate, evaluate_tiles, wilson
from settings import Settings

LABELS = ["a", "b", "c"]


def test_accuracy_and_confusion_follow_from_the_guesses() -> None:
    tiles = Tiles(np.zeros((6, 64, 64, 3), np.uint8), np.array([0, 0, 0, 1, 1, 2]), ["x"] * 6)
    guesses = np.eye(3)[[0, 0, 1, 1, 1, 0]]
    found = evaluate_tiles(lambda pixels: guesses[: len(pixels)], tiles, LABELS)
    assert found.accuracy == 4 / 6
    assert found.confusion == {"a": {"a": 2, "b": 1}, "b": {"b": 2}, "c": {"a": 1}}
    assert "66.67%" in str(found)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    chance = random.Random(7)
    share, n, runs = 0.97, 500, 2000
    covered = 0
    for _ in range(runs):
        low, high = wilson(sum(chance.random() < share for _ in range(n)), n)
        covered += low <= share <= high
    assert covered / runs == pytest.approx(0.95, abs=0.02)


@pytest.mark.skipif("SKYLANE_DATA" not in os.environ, reason="SKYLANE_DATA=eurosat.zip is not set")
def test_the_served_model_is_as_good_as_its_card_says() -> None:
    chosen = Settings()
    found = evaluate(chosen.artefact, Path(os.environ["SKYLANE_DATA"]))
    card = Artefact.open(chosen.artefact).manifest["measured"]["int8"]
    assert found.accuracy == pytest.approx(card["accuracy"], abs=0.002)
    assert found.accuracy >= 0.96
