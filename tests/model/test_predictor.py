"""The served predictor: whatever the size of a batch, each image's own probabilities."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from model.images import Pixels, decode
from model.predictor import CUTS, SIZES
from model.serving import Predicts, open_predictor
from settings import Settings


@pytest.fixture(scope="module")
def predictor() -> Predicts:
    return open_predictor(Settings().artefact)


@pytest.fixture(scope="module")
def pixels(tiles: list[Path]) -> Pixels:
    return np.stack([decode(path.read_bytes()) for path in tiles])


@pytest.mark.parametrize("n", [1, 2, 3, 7, 13, 15, 16, 17, 31, 50])
def test_an_image_is_told_the_same_in_a_batch_of_any_size(
    predictor: Predicts, pixels: Pixels, n: int
) -> None:
    alone = np.concatenate([predictor.predict(pixels[at : at + 1]) for at in range(n)])
    together = predictor.predict(pixels[:n])
    assert together.shape == (n, len(predictor.labels))
    np.testing.assert_allclose(together, alone, atol=1e-3)


def test_a_batch_is_cut_into_known_sizes_and_at_most_one_image_is_made_up() -> None:
    for n, sizes in enumerate(CUTS):
        assert set(sizes) <= set(SIZES)
        assert n <= sum(sizes) <= n + 1


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="of Linux")
def test_inference_may_use_whichever_processor_is_free(pixels: Pixels) -> None:
    predictor = open_predictor(Settings().artefact, streams=2)
    predictor.predict(pixels[:1])
    for thread in os.listdir("/proc/self/task"):
        assert os.sched_getaffinity(int(thread)) == os.sched_getaffinity(0)
