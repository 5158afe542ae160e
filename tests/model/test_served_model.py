"""The model in the repository is as good as its card says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from model.artefact import Artefact
from model.evaluation.evaluate import evaluate
from settings import Settings


@pytest.mark.skipif("SKYLANE_DATA" not in os.environ, reason="SKYLANE_DATA=eurosat.zip is not set")
def test_the_served_model_is_as_good_as_its_card_says() -> None:
    chosen = Settings()
    found = evaluate(Path(os.environ["SKYLANE_DATA"]), artefact=chosen.artefact).served
    card = Artefact.open(chosen.artefact).manifest["measured"]
    assert found.accuracy == pytest.approx(card["int8"]["accuracy"], abs=0.002)
    assert found.accuracy >= 0.96
