"""From a checkpoint to the file that is served: one graph, in INT8, with its card.

    skylane export --checkpoint weights.safetensors --data eurosat.zip --out model.zip

torch → ONNX → OpenVINO → INT8 by NNCF, calibrated on training tiles alone. Normalisation,
temperature and softmax are in the graph.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nncf
import numpy as np
from torch import nn

from model.artefact import Artefact
from model.data import Dataset, Tiles
from model.errors import DataError, ParityError
from model.evaluation.calibration import HOTTEST, fit_temperature
from model.evaluation.evaluate import OPENVINO, TORCH, form_of
from model.evaluation.metrics import Evaluation, evaluation
from model.predictor import Predictor, checked
from model.reference.architecture import Servable, check_takes
from model.reference.checkpoint import About
from model.reference.convert import convert, openvino_fp32, write
from model.reference.predictor import TorchPredictor
from model.runtime import openvino as ov
from model.serving import Predicts
from model.training.lineage import FRESH

CALIBRATION_TILES = 1024
CALIBRATION_BATCH = 32
MAX_LOSS = 0.002  # of accuracy on the test split, by quantising: 0.2 points
FEWEST_LOST = 1  # tiles that may be lost whatever share they are: of few, one is over 0.2 points


def export(
    net: nn.Module,
    about: About,
    dataset: Dataset,
    out: Path,
    name: str,
    precision: str = "INT8",
    source: str | None = None,
) -> tuple[Artefact, dict[str, Evaluation]]:
    """Quantise ``net``, compare with torch on the test split, and write the artefact.

    ``precision`` "FP16" only stores the weights as float16, for nets that INT8 harms.
    ``source`` is the SHA-256 of the checkpoint that ``net`` is from: the artefact keeps it.
    ``dataset`` is numbered by the checkpoint's labels. Temperature is fitted on the
    validation split, quantisation on training tiles; the test split is looked at last, and
    decides nothing but whether the file is written. Returns the artefact and what was
    measured of each form of the model.

    Raises:
        ParityError: the artefact would lose more than it may (``may_lose``) against torch in
            float32.
        ConfigError: the net does not take images of this size.
        DataError: a split is empty.
        PredictionError: the net answers with NaN.
    """
    for split, tiles in dataset.splits.items():
        if not len(tiles):
            raise DataError(f"the {split} split has no tiles; export needs some of each")

    check_takes(net, about.net_px)
    hot = Servable(net, about.net_px, HOTTEST)
    validation = dataset.splits["validation"]
    given = checked(
        TorchPredictor(hot, about.labels, "torch", about.tile_px).predict(validation.pixels), name
    )
    temperature = fit_temperature(given, validation.classes, HOTTEST)

    servable = Servable(net, about.net_px, temperature).eval()
    fp32 = convert(servable, about.tile_px)
    served = _quantised(fp32, dataset.splits["train"]) if precision == "INT8" else fp32
    card: dict[str, Any] = {
        "name": name,
        "labels": about.labels,
        "tile_px": about.tile_px,
        "precision": precision,
    }
    form = form_of(card)
    with tempfile.TemporaryDirectory() as folder:
        predictors: dict[str, Predicts] = {
            TORCH: TorchPredictor(servable, about.labels, "torch", about.tile_px),
            OPENVINO: openvino_fp32(fp32, card, Path(folder)),
            form: Predictor(write(Path(folder) / "served.zip", served, card)),
        }
        test = dataset.splits["test"]
        measured = {
            one: evaluation(
                checked(predictor.predict(test.pixels), f"{name} ({one})"),
                *(test.classes, about.labels),
            )
            for one, predictor in predictors.items()
        }
    reference, found = measured[TORCH].accuracy, measured[form].accuracy
    lost, bearable = round((reference - found) * len(test)), may_lose(len(test))
    if lost > bearable:
        advice = "; --precision fp16 leaves it as exact as it was" if precision == "INT8" else ""
        raise ParityError(
            f"{form} gets {found:.2%} of the test split right and torch {reference:.2%}: {lost} of"
            f" {len(test)} tiles are lost, and {bearable} may be. Nothing was written{advice}"
        )
    card |= {
        "temperature": temperature,
        "data": dataset.about(),  # that it was calibrated and measured on
        "checkpoint": source,
        "trained_on": about.data,
        "made": about.made,
        "recipe": {"arch": about.arch, "net_px": about.net_px, **about.recipe},
        "measured": {
            "split": "test",
            "held_out": held_out(about, dataset),
            **{one: asdict(figures) for one, figures in measured.items()},
        },
    }
    return write(out, served, card), measured


def held_out(about: About, dataset: Dataset) -> bool:
    """Return whether a net is known not to have been trained on the test split of ``dataset``.

    Splits go by the files' names: under other names, what it was trained on is elsewhere. Of a
    checkpoint that says nothing of itself, or began with such a one, nothing is known.
    """
    began_apart: bool = about.recipe.get("start") in FRESH
    return about.data == dataset.about() and bool(about.made.get("kept_apart", began_apart))


def may_lose(tiles: int) -> int:
    """Return how many of ``tiles`` an artefact may get right fewer than torch does.

    That is 0.2 points, rounded down, and always one: of fewer than 500 tiles one is more than
    0.2 points, and a net that is as good as ever loses one now and then, where two classes are
    as likely as each other to a digit. No more than one, whatever chance might explain: a test
    of significance has the more patience the less it sees, and would let three of forty tiles
    go. What is refused for bad luck has a way out, which are more tiles or FP16; what is
    written serves.
    """
    return max(FEWEST_LOST, math.floor(MAX_LOSS * tiles + 1e-9))  # 0.002 is not quite that


def _quantised(model: ov.Model, training: Tiles) -> ov.Model:
    chosen = np.random.default_rng(0).permutation(len(training))[:CALIBRATION_TILES]
    batches = [
        training.pixels[chosen[start : start + CALIBRATION_BATCH]]
        for start in range(0, len(chosen), CALIBRATION_BATCH)
    ]
    return nncf.quantize(
        model,
        nncf.Dataset(batches),
        subset_size=len(batches),
        preset=nncf.QuantizationPreset.MIXED,
        fast_bias_correction=False,
    )
