"""The predictor alone, on decoded tiles: what the rest is measured against."""

from __future__ import annotations

import threading
import time
from functools import cache
from typing import NamedTuple

import numpy as np

from model.images import Pixels, decode
from model.serving import Predicts, open_predictor
from settings import ROOT, Settings
from tasks.cpus import streams_of

TILES = ROOT / "tests" / "data" / "eurosat"
RAW_BATCH, RAW_S = 32, 2.0


class Raw(NamedTuple):
    """The predictor's speed, and the processor's time that an image takes it."""

    per_s: float
    cpu_ms_per_image: float


def measure_raw(seconds: float = RAW_S) -> Raw:
    """Measure the predictor: batches of 32, on as many streams as a worker has."""
    streams = streams_of(Settings())
    predictor = _predictor(streams)
    pixels = _pixels(predictor.tile_px)
    counts = [0] * streams
    stop = threading.Event()

    def work(number: int) -> None:
        while not stop.is_set():
            predictor.predict(pixels)
            counts[number] += len(pixels)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(streams)]
    cpu_s = time.process_time()
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    try:
        time.sleep(seconds)
    finally:
        stop.set()  # also where Ctrl-C ends this
    for thread in threads:
        thread.join()
    per_s = sum(counts) / (time.perf_counter() - started)
    return Raw(per_s, (time.process_time() - cpu_s) / sum(counts) * 1000)


@cache
def _predictor(streams: int) -> Predicts:
    predictor = open_predictor(Settings().artefact, streams=streams)
    predictor.warm_up()  # by one thread: two that come first at once may wait for ever in OpenVINO
    return predictor


@cache
def _pixels(side_px: int) -> Pixels:
    paths = sorted(TILES.glob("*/*.jpg"))[:RAW_BATCH]
    return np.stack([decode(path.read_bytes(), side_px=side_px) for path in paths])
