"""What a step learns from: a function of the step's number, and of nothing that came before."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from model.data import Tiles
from model.errors import ConfigError, TrainingError
from model.training.augment import SYMMETRIES, augment, blend, worsened
from model.training.config import Config


class Batches:
    """The training tiles in memory, as uint8, and their targets."""

    def __init__(self, tiles: Tiles, classes: int, config: Config, device: str) -> None:
        """Load everything onto ``device``.

        Raises:
            TrainingError: there are not enough tiles for one batch.
            ConfigError: tiles would be shifted by more than they are wide.
        """
        if len(tiles) < config.batch:
            raise TrainingError(f"{len(tiles)} tiles to train on; a batch takes {config.batch}")
        if config.shift_px >= tiles.pixels.shape[1]:
            raise ConfigError(f"shift_px={config.shift_px}: a tile has {tiles.pixels.shape[1]}")
        self.per_epoch = len(tiles) // config.batch
        self._config = config
        self._device = device
        self._pixels = torch.from_numpy(tiles.pixels).to(device)
        self._worse = torch.from_numpy(worsened(tiles.pixels, config.seed)).to(device)
        hard = F.one_hot(torch.from_numpy(tiles.classes), classes).float().to(device)
        self._hard = hard.lerp(torch.full_like(hard, 1 / classes), config.label_smoothing)
        self._order = (-1, torch.empty(0))  # of an epoch

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Return images, normalised float (batch, 3, tile_px, tile_px), and their targets.

        Targets are probabilities (batch, classes). Each tile is in a view of its own; the
        last few are low-quality JPEGs.
        """
        config = self._config
        epoch, index = divmod(step, self.per_epoch)
        chance = np.random.default_rng((config.seed, 1, step))
        chosen = self._shuffled(epoch)[index * config.batch :][: config.batch]
        symmetries = chance.integers(0, SYMMETRIES, config.batch)

        pixels, wanted = self._pixels[chosen], self._hard[chosen]
        if low := round(config.jpeg * config.batch):
            pixels[-low:] = self._worse[chosen[-low:]]
        images = augment(pixels, symmetries, config, chance)
        return blend(images, wanted, config, chance)

    def _shuffled(self, epoch: int) -> Tensor:
        if self._order[0] != epoch:
            chance = np.random.default_rng((self._config.seed, 0, epoch))
            order = torch.from_numpy(chance.permutation(len(self._pixels)))
            self._order = epoch, order.to(self._device)
        return self._order[1]
