"""The same net by OpenVINO: torch → ONNX → OpenVINO, and into an artefact."""

from __future__ import annotations

import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from openvino import opset13 as opset
from openvino.tools.ovc import convert_model

from model import artefact
from model.artefact import Artefact
from model.predictor import Predictor
from model.reference.architecture import Servable
from model.runtime import openvino as ov

NOISY = ("torch.onnx", "onnxscript", "onnx_ir")  # they log each of their own passes


def convert(servable: Servable, tile_px: int) -> ov.Model:
    """Convert a net to OpenVINO, for any number of tiles (n, tile_px, tile_px, 3) at a time."""
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    example = torch.zeros(2, tile_px, tile_px, 3, dtype=torch.uint8)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the exporter itself uses
        path = Path(folder) / "model.onnx"
        torch.onnx.export(
            servable,
            (example,),
            path,
            input_names=["pixels"],
            output_names=["probabilities"],
            dynamic_shapes={"pixels": {0: torch.export.Dim("tiles")}},
            dynamo=True,
            verbose=False,
        )
        converted = convert_model(path)
    if servable.net_px < tile_px:
        _smooth(converted, servable.net_px)
    return converted


def _smooth(graph: ov.Model, side_px: int) -> None:
    """Have the graph make tiles smaller as torch does, which averages what falls together.

    The mode that the importer chooses looks at two pixels each way, whatever it says of antialias.
    Pillow's, which torch's is after, does as it should.
    """
    sides, axes = np.array([side_px, side_px], np.int64), np.array([2, 3], np.int64)
    for node in graph.get_ops():
        if node.get_type_name() == "Interpolate" and node.get_attributes()["antialias"]:
            tiles = node.input_value(0)
            smooth = opset.interpolate(tiles, sides, "bilinear_pillow", "sizes", axes=axes)
            smooth.set_friendly_name(node.get_friendly_name())
            node.output(0).replace(smooth.output(0))


def openvino_fp32(model: ov.Model, card: dict[str, Any], folder: Path) -> Predictor:
    """Return a predictor that computes in float32, whatever the processor would prefer."""
    return Predictor(write(folder / "fp32.zip", model, card, halved=False), precision="f32")


def write(path: Path, model: ov.Model, card: dict[str, Any], *, halved: bool = True) -> Artefact:
    """Write an artefact; ``halved`` stores what is left in float32 as float16."""
    # OpenVINO writes a graph as a pair of files.
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "model.xml"
        ov.save_model(model, graph, compress_to_fp16=halved)
        constants = graph.with_suffix(".bin").read_bytes()
        return artefact.write(path, graph.read_bytes(), constants, card)
