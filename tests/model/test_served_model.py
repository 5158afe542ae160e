"""The model in the repository is as good as its card says, and was made as it says."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.artefact import Artefact
from model.evaluation.evaluate import evaluate, form_of
from model.images import decode
from model.predictor import Predictor
from model.serving import open_predictor
from model.training.config import configure
from settings import ROOT, Settings

REFERENCE = "resnet50-eurosat.safetensors"
BY_PATH = {"start", "teachers"}  # values that are where something lay


@pytest.fixture(scope="module")
def artefact() -> Artefact:
    return Artefact.open(Settings().artefact)


@pytest.fixture(scope="module")
def card(artefact: Artefact) -> str:
    return (artefact.path.parent / "README.md").read_text()


@pytest.fixture(scope="module")
def published(artefact: Artefact) -> dict[str, Any]:
    """Return what `skylane evaluate` wrote for the repository."""
    return json.loads((ROOT / "model/report/evaluation/metrics.json").read_text())  # type: ignore[no-any-return]


def test_the_published_evaluation_is_of_the_served_model_and_its_checkpoint(
    artefact: Artefact, published: dict[str, Any]
) -> None:
    assert published["model"] == artefact.version
    reference = artefact.path.parent / REFERENCE
    assert published["checkpoint"] == hashlib.sha256(reference.read_bytes()).hexdigest()
    assert published["split"] == "test"
    assert published["data"] == artefact.manifest["trained_on"]
    form = form_of(artefact.manifest)
    measured = artefact.manifest["measured"][form]
    for figure in ("accuracy", "ece"):  # where it was exported, and where it was evaluated
        assert published["forms"][form][figure] == pytest.approx(measured[figure], abs=0.002)


def test_the_card_tells_what_was_measured(
    artefact: Artefact, card: str, published: dict[str, Any]
) -> None:
    assert f"a temperature of {artefact.manifest['temperature']:.2f} " in card
    served = published["forms"][form_of(artefact.manifest)]
    assert f"**{100 * served['accuracy']:.2f} %**" in card
    plain = card.replace("**", "").replace(" (served)", "").replace(", ", " ")
    for form, one in published["forms"].items():
        low, high = (100 * bound for bound in one["interval"])
        told = f"{100 * one['accuracy']:.2f} % | {low:.2f} to {high:.2f} | {one['ece']:.4f}"
        assert f"| {form} | {told} |" in plain
    for label, one in served["classes"].items():
        right = f"{100 * one['precision']:.2f} % | {100 * one['recall']:.2f} %"
        assert f"| {label} | {right} | {one['tiles']} |" in card
    for shift, one in published["shifts"].items():
        lost = f"{100 * (one['accuracy'] - served['accuracy']):+.2f}".replace("-", "−")
        assert f"| {shift} | {100 * one['accuracy']:.2f} % | {lost} |" in card
    for split, tiles in artefact.manifest["trained_on"]["tiles"].items():
        assert f"{tiles:,} to {split.replace('validation', 'validate')}" in card


def test_the_cards_last_training_is_the_models_recipe(artefact: Artefact, card: str) -> None:
    *_, command = re.findall(r"^skylane train ((?:.*\\\n)*.*)", card, re.MULTILINE)
    words = shlex.split(command)
    told = configure(words[at + 1] for at, word in enumerate(words) if word == "--set")
    recipe = artefact.manifest["recipe"]
    for name, value in json.loads(json.dumps(asdict(told))).items():
        if name not in BY_PATH:
            assert recipe[name] == value, name
    assert recipe["start"] == told.start == "scratch"
    assert len(recipe["teachers"]) == len(told.teachers)


def test_the_checkpoint_beside_it_is_the_same_model(artefact: Artefact, tiles: list[Path]) -> None:
    pytest.importorskip("torch", reason="pip install -r requirements/train.txt")
    from model.reference.checkpoint import load

    _, about = load(artefact.path.parent / REFERENCE)
    assert about["recipe"] | {"net_px": about["net_px"]} == artefact.manifest["recipe"]
    assert about["data"] == artefact.manifest["trained_on"]
    assert about["made"] == artefact.manifest["made"]
    reference = open_predictor(artefact.path.parent / REFERENCE)
    assert reference.labels == artefact.labels
    pixels = np.stack([decode(path.read_bytes()) for path in tiles])
    given = [one.predict(pixels).argmax(1) for one in (reference, Predictor(artefact))]
    assert (given[0] == given[1]).mean() >= 0.98


@pytest.mark.skipif("SKYLANE_DATA" not in os.environ, reason="SKYLANE_DATA=eurosat.zip is not set")
def test_the_served_model_is_as_good_as_its_card_says(artefact: Artefact) -> None:
    found = evaluate(Path(os.environ["SKYLANE_DATA"]), artefact=artefact.path).served
    card = artefact.manifest["measured"][form_of(artefact.manifest)]
    assert found.accuracy == pytest.approx(card["accuracy"], abs=0.002)
    assert found.ece <= 0.01
