"""From trained weights to the file that is served: one graph, in INT8, with its card.

skylane export --weights checkpoints/weights.pt --data eurosat.zip --out model.zip
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nncf
import numpy as np
import openvino as ov
import torch

from model import artefact
from model.architecture import Servable, build
from model.artefact import Artefact
from model.data import Dataset, Tiles, load
from model.evaluate import Evaluation, evaluate_tiles
from model.images import TILE_PX, Pixels
from model.predictor import Predictor

CALIBRATION_TILES = 1024
CALIBRATION_BATCH = 32
MAX_LOSS = 0.002  # of accuracy on the test split, by quantising: 0.2 points


class ParityError(Exception):
    """The INT8 model is worse than it may be; nothing was written."""


def export(weights: Path, data: Path, out: Path, name: str = "resnet50-eurosat-int8") -> Artefact:
    """Quantise ``weights``, compare with torch on the test split, and write the artefact.

    Calibration sees training tiles only.

    Raises:
        ParityError: INT8 loses more than 0.2 points against torch in fp32.
        ValueError: the data's labels are not those of the weights.
    """
    state = torch.load(weights, map_location="cpu", weights_only=True)
    dataset = load(data)
    if dataset.labels != state["labels"]:
        raise ValueError(f"weights of {state['labels']}, data of {dataset.labels}")
    net = build(len(state["labels"]))
    net.load_state_dict(state["net"])
    servable = Servable(net).eval()

    # Two graphs of one file each are easiest through files: OpenVINO writes them in pairs.
    with tempfile.TemporaryDirectory() as folder:
        graph, constants = _save(_quantise(servable, dataset.splits["train"]), Path(folder))
        card = {"name": name, "labels": state["labels"]}
        trial = artefact.write(Path(folder) / "trial.zip", graph, constants, card)
        predictor = Predictor(trial)
        test = dataset.splits["test"]
        fp32 = evaluate_tiles(_torch_predict(servable), test, dataset.labels)
        int8 = evaluate_tiles(predictor.predict, test, dataset.labels)
    if fp32.accuracy - int8.accuracy > MAX_LOSS:
        raise ParityError(f"INT8 {int8.accuracy:.4f} against fp32 {fp32.accuracy:.4f}")
    card |= _card(dataset, state, fp32, int8)
    return artefact.write(out, graph, constants, card)


def _quantise(servable: Servable, training: Tiles) -> ov.Model:
    example = torch.zeros(1, TILE_PX, TILE_PX, 3, dtype=torch.uint8)
    shape = ov.PartialShape([-1, TILE_PX, TILE_PX, 3])
    model = ov.convert_model(servable, example_input=example, input=[shape])
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


def _save(model: ov.Model, folder: Path) -> tuple[bytes, bytes]:
    ov.save_model(model, folder / "model.xml")
    return (folder / "model.xml").read_bytes(), (folder / "model.bin").read_bytes()


def _torch_predict(servable: Servable) -> Callable[[Pixels], np.ndarray]:
    @torch.inference_mode()
    def predict(pixels: Pixels) -> np.ndarray:
        probabilities: np.ndarray = servable(torch.from_numpy(pixels.copy())).numpy()
        return probabilities

    return predict


def _card(
    dataset: Dataset, state: dict[str, Any], fp32: Evaluation, int8: Evaluation
) -> dict[str, Any]:
    return {
        "data": {
            "name": "EuroSAT RGB",
            "digest": state["data_digest"],
            "split_digest": state["split_digest"],
            "tiles": {split: len(tiles) for split, tiles in dataset.splits.items()},
        },
        "recipe": {"architecture": "torchvision resnet50", **state["config"]},
        "measured": {"split": "test", "fp32": asdict(fp32), "int8": asdict(int8)},
    }
