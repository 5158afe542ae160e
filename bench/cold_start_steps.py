"""A fresh process to its second prediction, and when each step was over. Run by bench.cold_starts.

    python -m bench.cold_start_steps ARTEFACT TILE

It prints a line of JSON: CLOCK_MONOTONIC, in s, after each step. On Linux that clock is one for
all processes, so whoever started this one knows when it did. What comes before the first line here
is the interpreter's own start, and a package of one line.
"""

import time

begun = time.monotonic()

import json  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from model.images import decode  # noqa: E402
from model.serving import open_predictor  # noqa: E402

artefact, tile = Path(sys.argv[1]), Path(sys.argv[2]).read_bytes()
if artefact.suffix == ".safetensors":
    import model.reference.predictor
else:
    import model.predictor  # noqa: F401
imported = time.monotonic()

predictor = open_predictor(artefact)
loaded = time.monotonic()

pixels = decode(tile, side_px=predictor.tile_px)[None]
predictor.predict(pixels)
first = time.monotonic()

predictor.predict(pixels)
second = time.monotonic()

print(
    json.dumps(
        {"begun": begun, "imported": imported, "loaded": loaded, "first": first, "second": second}
    )
)
