"""The served predictor: whatever the size of a batch, each image's own probabilities."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model.images import Pixels, decode
from model.predictor import CUTS, SIZES
from model.serving import Predicts, open_predictor
from settings import ROOT, Settings


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


IS_FREE = """
import os
import numpy as np
from model.serving import open_predictor
from settings import Settings

open_predictor(Settings().artefact, streams=2).predict(np.zeros((1, 64, 64, 3), np.uint8))
may_use = {frozenset(os.sched_getaffinity(int(one))) for one in os.listdir("/proc/self/task")}
assert may_use == {frozenset(os.sched_getaffinity(0))}, may_use
"""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="of Linux")
def test_inference_may_use_whichever_processor_is_free() -> None:
    # In a process of its own: other tests' models hold threads to processors.
    subprocess.run([sys.executable, "-c", IS_FREE], cwd=ROOT, check=True)
