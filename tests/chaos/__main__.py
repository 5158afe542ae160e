"""Make the experiments with many seeds, and write their table: `./test-chaos` is its front."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from local.interrupts import interruptible
from settings import ROOT
from tests.chaos import soak, table
from tests.chaos.burst import FULL, SMALL
from tests.chaos.campaign import Campaign, UnknownName
from tests.chaos.figures import Book
from tests.chaos.registry import PLACES, experiments

FIGURES = ROOT / "bench" / "figures" / "reliability.json"
DEFAULT_SEEDS = 20
TOLD = 20  # at the end; the figures have all


def main(arguments: list[str] | None = None) -> int:
    """Return 0 if all was as promised, in this run and in those that the figures are of; else 1."""
    parser = argparse.ArgumentParser(prog="./test-chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=DEFAULT_SEEDS, help="of each experiment")
    parser.add_argument("--only", action="append", default=[], metavar="NAME",
        help="an experiment, or a place; repeatable. The figures of others stay")  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="go on with what was cut off")
    parser.add_argument("--fresh", action="store_true",
        help="replace figures of more seeds than these, too")  # fmt: skip
    parser.add_argument("--small", action="store_true",
        help="small bursts, as in ./test; no document, figures only by --json")  # fmt: skip
    parser.add_argument("--list", action="store_true", help="name the experiments, and end")
    parser.add_argument(
        "--json",
        type=Path,
        help="what the figures go to, instead of bench/figures/reliability.json",
    )
    parser.add_argument("--doc", type=Path, default=table.DOCUMENT, help="where the table is")
    parser.add_argument("--soak", type=float, nargs="?", const=30.0, metavar="MINUTES",
        help="a steady load instead, with workers recycled; 30 minutes")  # fmt: skip
    asked = parser.parse_args(arguments)
    if asked.list:
        for place in PLACES:
            for one in experiments(place):
                print(f"{place:12} {one.name:28} {one.fault}")
        return 0
    path = asked.json or (None if asked.small else FIGURES)
    size, command = "small" if asked.small else "full", f"./test-chaos --seeds {asked.seeds}"
    book = Book(path, command, size, fresh=asked.fresh)
    with tempfile.TemporaryDirectory(prefix="skylane-chaos-", ignore_cleanup_errors=True) as folder:
        try:
            campaign = Campaign(
                book, asked.only, asked.seeds, SMALL if asked.small else FULL, Path(folder)
            )
        except UnknownName as error:
            parser.error(str(error))
        try:
            if asked.soak is not None:
                book.figures["soak"] = soak.run(Path(folder) / "home", asked.soak)
            else:
                if asked.resume:
                    book.resume()
                else:
                    book.begin(campaign.keys)
                campaign.make()
        finally:  # what there is by now, also when it was interrupted
            book.keep()
            if not asked.small:
                table.write(asked.doc, book.figures)
    troubles = book.troubles()
    for trouble in troubles[:TOLD]:
        print(f"NOT AS PROMISED: {trouble}", flush=True)
    if troubles:
        print(f"{len(troubles)} troubles are recorded, in this run and those before", flush=True)
    return 1 if troubles else 0


if __name__ == "__main__":
    with interruptible():
        sys.exit(main())
