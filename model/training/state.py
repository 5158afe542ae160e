"""All that a run is, at one step: what is saved, and what a killed run goes on from."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from model.errors import TrainingError
from model.reference import checkpoint
from model.training.config import Config


class State:
    """A net, its running average, the optimiser's momenta, and how far they are.

    Nothing else changes from step to step: learning rate and random choices follow from the
    step's number.
    """

    def __init__(self, net: nn.Module, config: Config) -> None:
        self.net = net
        self.average = copy.deepcopy(net).requires_grad_(False)
        self.step = 0
        self.elapsed_s = 0.0  # of all sittings
        # Sum over the steps of the epoch so far. It stays on the device: reading it would wait.
        self.epoch_loss = torch.zeros((), device=next(net.parameters()).device)
        self._decay = config.ema_decay
        groups: list[dict[str, Any]] = [
            {"params": [weight for weight in net.parameters() if weight.ndim > 1]},
            {
                "params": [weight for weight in net.parameters() if weight.ndim <= 1],
                "weight_decay": 0.0,
            },
        ]
        self._optimiser = torch.optim.SGD(
            groups,
            lr=config.peak_lr,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            nesterov=config.momentum > 0,
            fused=True,
        )

    def advance(self, loss: Tensor, rate: float) -> None:
        """Take one step down the gradient of ``loss`` at the learning rate ``rate``."""
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        self._update_average()
        self.epoch_loss += loss.detach()
        self.step += 1

    @torch.no_grad()
    def _update_average(self) -> None:
        # The ramp lets the first steps, which know nothing, be forgotten soon.
        decay = min(self._decay, (1 + self.step) / (10 + self.step))
        means, news = self.average.state_dict().values(), self.net.state_dict().values()
        pairs = list(zip(means, news, strict=True))
        floats = [pair for pair in pairs if pair[0].is_floating_point()]
        torch._foreach_lerp_([mean for mean, _ in floats], [new for _, new in floats], 1 - decay)
        for mean, new in pairs:
            if not mean.is_floating_point():
                mean.copy_(new)

    def save(self, path: Path, run: dict[str, Any]) -> None:
        """Write the state, with ``run``: what the run was begun with, as JSON can say it."""
        momenta = {
            str(number): self._optimiser.state[weight]["momentum_buffer"]
            for number, weight in enumerate(self.net.parameters())
            if self._optimiser.state[weight].get("momentum_buffer") is not None
        }
        parts = {"net": self.net.state_dict(), "average": self.average.state_dict()}
        tensors = {
            f"{part}/{name}": tensor.contiguous()
            for part, named in (parts | {"momentum": momenta}).items()
            for name, tensor in named.items()
        }
        so_far = {"step": self.step, "elapsed_s": self.elapsed_s}
        checkpoint.save(path, tensors, run | so_far | {"epoch_loss": self.epoch_loss.item()})

    def restore(self, path: Path, run: dict[str, Any]) -> None:
        """Take up the state that ``save`` wrote, bit for bit.

        Raises:
            TrainingError: it is of another recipe or of other data.
            CheckpointError: the file is damaged.
        """
        tensors, about = checkpoint.load(path, str(next(self.net.parameters()).device))
        for key, now in json.loads(json.dumps(run)).items():
            if about.get(key) != now:
                raise TrainingError(
                    f"{path} is of another run: {difference(about.get(key), now) or key}. Go on"
                    " as it was begun, or write to another folder"
                )
        parts: dict[str, dict[str, Tensor]] = {"net": {}, "average": {}, "momentum": {}}
        for name, tensor in tensors.items():
            part, _, inner = name.partition("/")
            parts[part][inner] = tensor
        self.net.load_state_dict(parts["net"])
        self.average.load_state_dict(parts["average"])
        for number, weight in enumerate(self.net.parameters()):
            if str(number) not in parts["momentum"]:
                continue
            # Made like the weight, to lie in memory as it does.
            momentum = torch.empty_like(weight).copy_(parts["momentum"][str(number)])
            self._optimiser.state[weight]["momentum_buffer"] = momentum.detach()
        self.step = int(about["step"])
        self.elapsed_s = float(about["elapsed_s"])
        self.epoch_loss.fill_(about["epoch_loss"])


def difference(then: object, now: object) -> str:
    """Say which values of two dictionaries differ, and how; "" of anything else."""
    if not (isinstance(then, dict) and isinstance(now, dict)):
        return ""
    return ", ".join(
        f"{name} was {then.get(name)}, now {now.get(name)}"
        for name in {**then, **now}
        if then.get(name) != now.get(name)
    )
