"""The model in the repository is as good as its card says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from model.artefact import Artefact
from model.evaluation.evaluate import evaluate
from model.training.config import Config
from settings import Settings


def test_the_card_tells_the_models_own_recipe_and_todays() -> None:
    artefact = Artefact.open(Settings().artefact)
    card = " ".join((artefact.path.parent / "README.md").read_text().split())
    for stages in (artefact.manifest["recipe"]["stages"], Config().stages):
        (first, first_px), *others = stages
        told = ", ".join(f"{epochs} at {side_px}" for epochs, side_px in others)
        total = sum(epochs for epochs, _ in stages)
        assert f"{total} epochs ({first} at {first_px} px, {told})" in card
    assert f"{artefact.manifest['measured']['int8']['accuracy'] * 100:.2f} %" in card


@pytest.mark.skipif("SKYLANE_DATA" not in os.environ, reason="SKYLANE_DATA=eurosat.zip is not set")
def test_the_served_model_is_as_good_as_its_card_says() -> None:
    chosen = Settings()
    found = evaluate(Path(os.environ["SKYLANE_DATA"]), artefact=chosen.artefact).served
    card = Artefact.open(chosen.artefact).manifest["measured"]
    assert found.accuracy == pytest.approx(card["int8"]["accuracy"], abs=0.002)
    assert found.accuracy >= 0.96
