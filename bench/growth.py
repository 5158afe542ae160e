"""Whether the cost of an image stays the same, however many there are.

    python -m bench.growth

Sends 1,000, 10,000 and 100,000 images in batches, one after the other, then fills the table up
to a million rows and sends 10,000 more. Each part of up to 10,000 images is measured against the
raw predictor right before and after it, as in ``bench.uploads``: compare the ratios. That of the
processor's time is without PostgreSQL's and the broker's, which are not the stack's own here.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from dataclasses import asdict
from pathlib import Path

from bench.client import Request, multipart, send_all
from bench.raw import TILES
from bench.stack import Running, running_stack
from bench.stats import fill
from bench.uploads import BATCH_CONNECTIONS, BATCH_FILES, Round, at_least_one, measure
from local.interrupts import interruptible
from local.stack import embedded
from settings import Settings
from store.database import Database
from store.migrations import migrate

SIZES = [1_000, 10_000, 100_000]
PART = 10_000
ROWS, AFTER_ROWS = 1_000_000, 10_000
WARM_UP_BATCHES = 10


@interruptible()
def main() -> None:
    """Run the benchmark and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=at_least_one, nargs="+", default=SIZES)
    parser.add_argument("--rows", type=at_least_one, default=ROWS)
    parser.add_argument("--after", type=at_least_one, default=AFTER_ROWS)
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    chosen = parser.parse_args()
    batches = _batches()
    with (
        tempfile.TemporaryDirectory(prefix="skylane-growth-") as folder,
        embedded(Settings(home=Path(folder) / "servers")) as (database_url, broker_url),
    ):
        migrate(database_url)
        database = Database(database_url)
        with running_stack(DATABASE_URL=database_url, BROKER_URL=broker_url) as stack:
            send_all(stack.url, batches[:WARM_UP_BATCHES], BATCH_CONNECTIONS)
            ratios = {}
            for images in chosen.sizes:
                ratios[f"{images:,} images"] = _sent(stack, batches, images)
            there = database.query("SELECT count(*) AS rows FROM predictions")[0]["rows"]
            fill(database, max(0, chosen.rows - there))
            named = f"{chosen.after:,} images beside {chosen.rows:,} rows"
            ratios[named] = _sent(stack, batches, chosen.after)
        database.close()
    if chosen.json:
        figures = {name: [asdict(part) for part in parts] for name, parts in ratios.items()}
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n")
    for name, parts in ratios.items():
        ratio = statistics.median(part.ratio for part in parts)
        cpu_ratio = statistics.median(part.cpu_ratio for part in parts)
        api, worker = (
            statistics.median(part.cpu_ms_per_image[name] for part in parts)
            for name in ("api", "worker")
        )
        rate = statistics.median(part.images_per_s for part in parts)
        print(
            f"{name}: {rate:.0f} images/s, ratio {ratio:.2f}, of the processor's time"
            f" {cpu_ratio:.2f} (medians of {len(parts)} parts);"
            f" CPU ms/image: api {api:.2f}, worker {worker:.2f}"
        )


def _batches() -> list[Request]:
    """Return the requests of one part."""
    tiles = [(path.name, path.read_bytes()) for path in sorted(TILES.glob("*/*.jpg"))]
    files = [tiles[number % len(tiles)] for number in range(BATCH_FILES)]
    return [multipart("/upload_batch?wait=60", "files", files)] * (PART // BATCH_FILES)


def _sent(stack: Running, batches: list[Request], images: int) -> list[Round]:
    """Send so many images, in whole batches; return the figures of each part."""
    left = -(-images // BATCH_FILES)
    parts = []
    while left:
        requests = batches[:left]
        left -= len(requests)
        parts.append(measure("batches", stack, requests, BATCH_CONNECTIONS))
        one = parts[-1]
        print(f"  {len(requests) * BATCH_FILES:,}: {one.images_per_s:.0f}/s, {one.ratio:.2f}")
    return parts


if __name__ == "__main__":
    main()
