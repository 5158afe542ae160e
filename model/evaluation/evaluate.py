"""Measure a model in each of its forms, on a split of the data and on shifted copies of it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from model.artefact import Artefact
from model.data import Dataset, Tiles, load
from model.errors import CheckpointError, ConfigError, DataError
from model.evaluation.metrics import Evaluation, evaluation
from model.evaluation.shifts import SHIFTS
from model.images import Pixels
from model.predictor import Predictor, Probabilities, checked
from model.serving import Predicts

if TYPE_CHECKING:
    from model.reference.checkpoint import About

MISTAKES = 24  # that are kept to be shown, the most confident first
OPENVINO, TORCH = "OpenVINO fp32", "torch fp32"


@dataclass(frozen=True)
class Mistake:
    """A tile that was taken for another class."""

    name: str
    true_label: str
    predicted_label: str
    confidence: float
    pixels: Pixels = field(repr=False)


@dataclass(frozen=True)
class Findings:
    """What was found of one model."""

    model: str  # its version
    labels: list[str]
    split: str
    data: dict[str, object]  # digests and sizes
    forms: dict[str, Evaluation]  # by form: what is served first, then OPENVINO, TORCH
    shifts: dict[str, Evaluation]  # of the first form, by shift; empty if not asked for
    mistakes: list[Mistake]  # of the first form
    checkpoint: str | None = None  # SHA-256 of the one that was measured, if any

    @property
    def served(self) -> Evaluation:
        """The first form's figures."""
        return next(iter(self.forms.values()))


def evaluate(
    data: Path,
    *,
    artefact: Path | None = None,
    checkpoint: Path | None = None,
    about: About | None = None,
    split: str = "test",
    shifted: bool = False,
) -> Findings:
    """Evaluate an artefact as it is served, a checkpoint by torch and by OpenVINO, or both.

    ``about`` is what a checkpoint is that does not say it itself.

    Raises:
        ArtefactError: the artefact is damaged.
        CheckpointError: the checkpoint is, or it is of another model than the artefact.
        DataError: the data are none, of other classes, or none in this split.
        ConfigError: there is nothing to evaluate.
        PredictionError: the model answers with NaN.
    """
    with tempfile.TemporaryDirectory() as folder:
        forms = _forms(artefact, checkpoint, about, Path(folder))
        first = next(iter(forms.values()))
        for predictor in forms.values():
            if (predictor.labels, predictor.tile_px) != (first.labels, first.tile_px):
                raise CheckpointError(
                    "the artefact is not of this checkpoint: their labels or tile sizes differ"
                )
        dataset = load(data, tile_px=first.tile_px, labels=first.labels)
        tiles = dataset.splits[split]
        if not len(tiles):
            raise DataError(f"the {split} split of {data} has no tiles")
        given = {
            form: checked(predictor.predict(tiles.pixels), f"{predictor.version} ({form})")
            for form, predictor in forms.items()
        }
        return Findings(
            model=first.version,
            labels=dataset.labels,
            split=split,
            data=dataset.about(),
            forms={
                form: evaluation(probabilities, tiles.classes, dataset.labels)
                for form, probabilities in given.items()
            },
            shifts=_under_shift(first, tiles) if shifted else {},
            mistakes=_mistakes(next(iter(given.values())), tiles, dataset),
            checkpoint=_digest(checkpoint),
        )


def _digest(checkpoint: Path | None) -> str | None:
    if not checkpoint:
        return None
    from model.reference.checkpoint import file_digest  # as in _forms

    return file_digest(checkpoint)


def form_of(card: dict[str, Any]) -> str:
    """Return what an artefact's model is called among its forms: "OpenVINO INT8", say."""
    return f"OpenVINO {card.get('precision', 'INT8')}"


def _forms(
    artefact: Path | None, checkpoint: Path | None, about: About | None, folder: Path
) -> dict[str, Predicts]:
    forms: dict[str, Predicts] = {}
    temperature = 1.0
    if artefact:
        opened = Artefact.open(artefact)
        temperature = float(opened.manifest.get("temperature", 1.0))
        forms[form_of(opened.manifest)] = Predictor(opened)
    if checkpoint:
        # What serving needs has no torch in it; this does.
        from model.reference.architecture import Servable
        from model.reference.checkpoint import file_digest, read
        from model.reference.convert import convert, openvino_fp32
        from model.reference.predictor import TorchPredictor

        net, about = read(checkpoint, about)
        if artefact:
            _check_made_from(opened, about, file_digest(checkpoint))
        servable = Servable(net, about.net_px, temperature)
        card = {"name": checkpoint.stem, "labels": about.labels, "tile_px": about.tile_px}
        forms[OPENVINO] = openvino_fp32(convert(servable, about.tile_px), card, folder)
        forms[TORCH] = TorchPredictor(servable, about.labels, checkpoint.stem, about.tile_px)
    if not forms:
        raise ConfigError("nothing to evaluate: give an artefact, a checkpoint or both")
    return forms


def _check_made_from(artefact: Artefact, about: About, digest: str) -> None:
    """Raise ``CheckpointError`` where an artefact says that it is of another net.

    What each says of itself tells best what differs, but only the digest tells two nets apart that
    say nothing. Of an artefact without one, as earlier versions wrote them, all has to be the same.
    """
    source = artefact.manifest.get("checkpoint")
    told = {
        "recipe": {"arch": about.arch, "net_px": about.net_px, **about.recipe},
        "trained_on": about.data,
        "made": about.made,
    }
    for name, here in told.items():
        there = artefact.manifest.get(name, here)
        values = "; ".join(
            f"{key} is {there.get(key)} there, {here.get(key)} here"
            for key in {**there, **here}
            if there.get(key) != here.get(key) and not (source and key not in there.keys() & here)
        )
        if values:
            raise CheckpointError(
                f"the artefact is not of this checkpoint: by its {name}, {values}"
            )
    if source and source != digest:
        raise CheckpointError(
            f"the artefact is not of this checkpoint: it was made from a file of SHA-256 {source},"
            f" and this one's is {digest}"
        )


def _under_shift(predictor: Predicts, tiles: Tiles) -> dict[str, Evaluation]:
    return {
        name: evaluation(
            checked(predictor.predict(shift(tiles.pixels)), f"{predictor.version}, {name},"),
            *(tiles.classes, predictor.labels),
        )
        for name, shift in SHIFTS.items()
    }


def _mistakes(probabilities: Probabilities, tiles: Tiles, dataset: Dataset) -> list[Mistake]:
    guesses = probabilities.argmax(1)
    wrong = np.flatnonzero(guesses != tiles.classes)
    worst = wrong[np.argsort(-probabilities[wrong].max(1))][:MISTAKES]
    return [
        Mistake(
            name=tiles.names[at],
            true_label=dataset.labels[tiles.classes[at]],
            predicted_label=dataset.labels[guesses[at]],
            confidence=float(probabilities[at].max()),
            pixels=tiles.pixels[at],
        )
        for at in worst
    ]
