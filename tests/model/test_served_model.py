"""The model in the repository is as good as its card says, and was made as it says."""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from model.artefact import Artefact
from model.evaluation.evaluate import evaluate, form_of
from model.images import decode
from model.predictor import Predictor
from model.serving import open_predictor
from model.training.config import configure
from settings import Settings

BY_PATH = {"start", "teachers"}  # values that are where something lay


@pytest.fixture(scope="module")
def artefact() -> Artefact:
    return Artefact.open(Settings().artefact)


@pytest.fixture(scope="module")
def card(artefact: Artefact) -> str:
    return (artefact.path.parent / "README.md").read_text()


def test_the_card_tells_what_was_measured(artefact: Artefact, card: str) -> None:
    served = artefact.manifest["measured"][form_of(artefact.manifest)]
    assert f"**{served['accuracy'] * 100:.2f} %**" in card
    assert f"a temperature of {artefact.manifest['temperature']:.2f} " in card
    for label, one in served["classes"].items():
        assert f"| {label} | {one['precision'] * 100:.2f} % | {one['recall'] * 100:.2f} % |" in card


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
    reference = open_predictor(artefact.path.parent / "resnet50-eurosat.safetensors")
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
