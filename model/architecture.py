"""The torch side of the model: architecture, and the graph that is served.

torchvision's wheel on PyPI is built against CUDA and expects two operators that a
CPU-only torch lacks. Declaring them (they are never called here) lets it import.
"""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor, nn

for _operator in ("nms", "qnms"):
    # Already there where torch and torchvision are of one build.
    with contextlib.suppress(RuntimeError):
        torch.library.define(
            f"torchvision::{_operator}",
            "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        )

from torchvision import models  # noqa: E402  (only importable after the lines above)

# Channel means and deviations of ImageNet, in 0..255: what torchvision's weights expect.
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)


def build(classes: int, *, imagenet: bool = False) -> nn.Module:
    """Build torchvision's ResNet50 with a head of ``classes`` outputs.

    ``imagenet`` starts from torchvision's ImageNet weights (downloads them). From scratch,
    the last normalisation of each residual branch starts at zero (Goyal et al. 2017,
    arXiv:1706.02677, 5.1), which makes a short training steadier.
    """
    if imagenet:
        net: nn.Module = models.resnet50(weights=models.ResNet50_Weights.IMAGENET1K_V2)
        net.fc = nn.Linear(2048, classes)  # the width of ResNet50's last block
    else:
        net = models.resnet50(num_classes=classes, zero_init_residual=True)
    return net


def normalise(pixels: Tensor) -> Tensor:
    """uint8 NHWC (n, h, w, 3) to normalised float32 NCHW (n, 3, h, w)."""
    mean = torch.tensor(MEAN, device=pixels.device).view(1, 3, 1, 1)
    std = torch.tensor(STD, device=pixels.device).view(1, 3, 1, 1)
    return (pixels.permute(0, 3, 1, 2).float() - mean) / std


class Servable(nn.Module):
    """The graph that is served: uint8 NHWC pixels in, class probabilities out.

    Normalisation and softmax are inside, so that no caller can get them wrong.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, pixels: Tensor) -> Tensor:
        """(n, 64, 64, 3) uint8 to (n, classes) float32 that sum to 1."""
        return torch.softmax(self.net(normalise(pixels)), dim=1)
