"""Back from the first INT8 artefact to a checkpoint, because its own was not kept.

    python -m model.training.thaw --artefact model/weights/resnet50-eurosat-int8.zip \\
      --data eurosat.zip --out start.safetensors

Quantising folds each normalisation into the convolution before it. Here they are taken apart
again: each filter is scaled to length 1, and the statistics are measured on training tiles.
What the net answers stays the same; that it can be trained on is what is gained.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from model.artefact import Artefact
from model.data import load
from model.reference import checkpoint
from model.reference.architecture import build, normalise
from model.reference.checkpoint import About
from model.runtime import openvino as ov

TILES, BATCH = 2048, 256  # to measure statistics on
SCOPE = "__module.net."  # before a layer's own name, in the names of the graph


def main() -> None:
    """Write the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--artefact", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    artefact = Artefact.open(chosen.artefact)
    net = thawed(artefact)
    dataset = load(chosen.data, labels=artefact.labels)
    drawn = np.random.default_rng(0).permutation(len(dataset.splits["train"]))[:TILES]
    measure(net, dataset.splits["train"].pixels[drawn])
    about = About("resnet50", artefact.labels, recipe=artefact.manifest["recipe"])
    checkpoint.write(chosen.out, net, about)


@torch.no_grad()
def thawed(artefact: Artefact) -> nn.Module:
    """Return the artefact's ResNet50 in float32, each filter of length 1."""
    net: Any = build("resnet50", len(artefact.labels)).eval()
    for node in ov.Core().read_model(*artefact.read()).get_ordered_ops():
        if node.get_type_name() != "Add":
            continue
        source = node.input_value(0).get_node()
        if source.get_type_name() == "MatMul":
            net.fc.weight.copy_(_constant(source.input_value(1).get_node()))
            net.fc.bias.copy_(_constant(node.input_value(1).get_node()).flatten())
        elif source.get_type_name() == "Convolution":
            name = node.get_friendly_name().removeprefix(SCOPE).split("/")[0]
            norm: Any = net.get_submodule(name)
            convolved = name.replace("bn", "conv").replace("downsample.1", "downsample.0")
            weight = _constant(source.input_value(1).get_node())
            length = weight.flatten(1).norm(dim=1).clamp_min(1e-6)
            net.get_submodule(convolved).weight.copy_(weight / length[:, None, None, None])
            norm.weight.copy_(length)
            norm.bias.copy_(_constant(node.input_value(1).get_node()).flatten())
            norm.running_var.fill_(1 - norm.eps)
    trained: nn.Module = net
    return trained


def _constant(node: ov.Node) -> Tensor:
    """Return what a constant, or an INT8 one with its scale, says in float32."""
    kind = node.get_type_name()
    if kind == "Constant":
        return torch.from_numpy(node.data.astype(np.float32))
    inputs = [_constant(value.get_node()) for value in node.input_values()]
    return inputs[0] * inputs[1] if kind == "Multiply" else inputs[0]


@torch.no_grad()
def measure(net: nn.Module, pixels: np.ndarray) -> None:
    """Set every normalisation's statistics to those of ``pixels``, and undo that in its scale."""
    norms: list[Any] = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    seen: dict[nn.Module, list[Tensor]] = {norm: [] for norm in norms}

    def look(norm: nn.Module, given: tuple[Tensor]) -> None:
        moments = given[0].mean((0, 2, 3)), given[0].square().mean((0, 2, 3))
        seen[norm].append(torch.stack(moments))

    hooks = [norm.register_forward_pre_hook(look) for norm in norms]
    for start in range(0, len(pixels), BATCH):
        net(normalise(torch.from_numpy(pixels[start : start + BATCH])))
    for hook in hooks:
        hook.remove()
    for norm in norms:
        mean, square = torch.stack(seen[norm]).mean(0)
        variance = (square - mean.square()).clamp_min(0)
        norm.bias += norm.weight * mean
        norm.weight *= (variance + norm.eps).sqrt()
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)


if __name__ == "__main__":
    main()
