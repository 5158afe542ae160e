"""The served model: uint8 pixels to probabilities, by OpenVINO."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.artefact import Artefact
from model.errors import PredictionError
from model.images import Pixels
from model.runtime import openvino as ov

Probabilities = npt.NDArray[np.float32]


# The graph is prepared anew for each batch size that it meets: some 20 ms, and memory that
# stays. So a batch is cut into some of these sizes. More than 16 images at once are not
# faster, and take more memory.
SIZES = (1, 2, 4, 8, 16)
# What a call costs whatever its size, in images: 5.8 ms for one image and 3.6 for each more.
CALL_COST = 0.6


def _cheapest_cuts(most: int) -> list[tuple[int, ...]]:
    """Return, for each number of images up to ``most``, the sizes that take least time.

    The last of them may be larger than what is left for it, which is then padded.
    """
    cheapest: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    for n in range(1, most + 1):
        ways = []
        for size in SIZES:
            cost, others = cheapest[max(0, n - size)]
            ways.append((size + CALL_COST + cost, tuple(sorted((size, *others), reverse=True))))
        cheapest.append(min(ways))
    return [sizes for _, sizes in cheapest]


CUTS = _cheapest_cuts(SIZES[-1])


def checked(probabilities: Probabilities, model: str) -> Probabilities:
    """Return ``probabilities`` (n, labels) if they are some.

    Raises:
        PredictionError: there is a NaN among them.
    """
    if bad := int((~np.isfinite(probabilities)).any(axis=1).sum()):
        raise PredictionError(
            f"{model} answers {bad} of {len(probabilities)} images with NaN: its training went"
            " astray, or its weights are damaged"
        )
    return probabilities


class Predictor:
    """An artefact, compiled for this machine's processor. Threads may share it.

    ``streams`` is how many calls run side by side, a core each: two batches on a core
    each pass more images than one batch on two cores. ``precision`` is that of whatever is
    not quantised ("f32"); without it the processor's fastest.
    """

    def __init__(
        self,
        artefact: Artefact,
        *,
        streams: int = 1,
        cache: Path | None = None,
        precision: str | None = None,
    ) -> None:
        self.labels = artefact.labels
        self.version = artefact.version
        self.tile_px = artefact.tile_px
        graph, weights = artefact.read()
        core = ov.Core()
        if cache:
            core.set_property({"CACHE_DIR": str(cache)})  # compiling takes longer than reading
        # OpenVINO would hold each thread to a processor of its own. But others work here too, and
        # what they keep busy would hold up a batch while another processor is idle.
        how: dict[str, str | int] = {"ENABLE_CPU_PINNING": "NO"}
        how |= {"NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": streams}
        # Weights in float16 are to be as good as float32; bf16, which some processors would
        # take for them, is not.
        if precision or artefact.precision == "FP16":
            how["INFERENCE_PRECISION_HINT"] = precision or "f32"
        self._compiled = core.compile_model(core.read_model(graph, weights), "CPU", how)
        self._local = threading.local()

    def warm_up(self) -> None:
        """Predict once, so that the first image does not pay for what happens only once.

        Raises:
            PredictionError: the answer is none, so the model is of no use.
        """
        checked(self.predict(np.zeros((1, self.tile_px, self.tile_px, 3), np.uint8)), self.version)

    def predict(self, pixels: Pixels) -> Probabilities:
        """(n, tile_px, tile_px, 3) uint8 RGB to (n, labels) float32, each row summing to 1."""
        parts = []
        while len(pixels):
            for size in CUTS[min(len(pixels), SIZES[-1])]:
                parts.append(self._predict(pixels[:size], size))
                pixels = pixels[size:]
        return np.concatenate(parts)

    def _predict(self, pixels: Pixels, size: int) -> Probabilities:
        request = getattr(self._local, "request", None)
        if request is None:
            request = self._local.request = self._compiled.create_infer_request()
        n = len(pixels)
        if size > n:
            pixels = np.concatenate([pixels, np.zeros((size - n, *pixels.shape[1:]), np.uint8)])
        result: Probabilities = request.infer({0: pixels})[0]
        return result[:n].copy()  # the request's own memory is written over by its next call
