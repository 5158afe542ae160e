"""Make the experiments with many seeds, and write their table: `./test-chaos` is its front."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from local.interrupts import interruptible
from settings import ROOT
from tests.chaos import soak, table
from tests.chaos.audit import Outcome
from tests.chaos.burst import FULL, SMALL
from tests.chaos.experiment import Experiment, Place, several
from tests.chaos.registry import PLACES, experiments

FIGURES = ROOT / "bench" / "figures" / "reliability.json"
DEFAULT_SEEDS = 20
SEEDS_BY_DEFAULTS = 3  # each waits for half a minute


class Broken(Exception):
    """A place did not come back after a fault."""


def main() -> int:
    """Return 0 if all was as promised, else 1."""
    parser = argparse.ArgumentParser(prog="./test-chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=DEFAULT_SEEDS, help="of each experiment")
    parser.add_argument("--only", action="append", help="an experiment, or a place; repeatable")
    parser.add_argument("--resume", action="store_true", help="keep what the file has already")
    parser.add_argument("--small", action="store_true", help="small bursts, as in ./test")
    parser.add_argument("--list", action="store_true", help="name the experiments, and end")
    parser.add_argument("--json", type=Path, default=FIGURES, help="what the figures go to")
    parser.add_argument("--doc", type=Path, default=table.DOCUMENT, help="where the table is")
    parser.add_argument("--soak", type=float, nargs="?", const=30.0, metavar="MINUTES",
        help="a steady load instead, with workers recycled; 30 minutes")  # fmt: skip
    chosen = parser.parse_args()
    if chosen.list:
        for place in PLACES:
            for one in experiments(place):
                print(f"{place:12} {one.name:28} {one.fault}")
        return 0
    figures = table.read(chosen.json)
    with tempfile.TemporaryDirectory(prefix="skylane-chaos-") as folder:
        if chosen.soak is not None:
            figures["soak"] = soak.run(Path(folder) / "home", chosen.soak)
            good = not figures["soak"]["troubles"]
        else:
            if not chosen.resume:
                figures["experiments"] = {}
            good = _make(chosen, figures, Path(folder))
    table.write(chosen.json, chosen.doc, figures)
    return 0 if good else 1


def _make(chosen: argparse.Namespace, figures: table.Figures, folder: Path) -> bool:
    good = True
    figures["command"] = f"./test-chaos --seeds {chosen.seeds}"
    figures["machine"], figures["date"] = table.machine(), time.strftime("%Y-%m-%d")
    for name, start in PLACES.items():
        wanted = [
            one
            for one in experiments(name)
            if not chosen.only or {f"{one.name}@{name}", one.name, name} & set(chosen.only)
        ]
        seeds = min(chosen.seeds, SEEDS_BY_DEFAULTS) if name == "defaults" else chosen.seeds
        left = {one.name: _left(figures, one, name, seeds) for one in wanted}
        if not any(left.values()):
            continue
        try:
            with start(folder / name) as place:
                for one in wanted:
                    if left[one.name]:
                        good &= _repeat(chosen, figures, place, name, one, left[one.name])
        except Broken:  # the next place is another
            good = False
    return good


def _left(figures: table.Figures, one: Experiment, place: str, seeds: int) -> list[int]:
    made = figures["experiments"].get(f"{one.name}@{place}", {}).get("outcomes", {})
    return [seed for seed in range(1, seeds + 1) if str(seed) not in made]


def _repeat(
    chosen: argparse.Namespace,
    figures: table.Figures,
    place: Place,
    where: str,
    one: Experiment,
    seeds: list[int],
) -> bool:
    if not one.possible():
        print(f"{one.name}: not on this machine", flush=True)
        return True
    kept = figures["experiments"].setdefault(
        f"{one.name}@{where}",
        {"fault": one.fault, "place": where, "bound_s": one.bounds * place.bound_s, "outcomes": {}},
    )
    began_s, good = time.monotonic(), True
    outcomes = several(place, one, iter(seeds), SMALL if chosen.small else FULL)
    for seed in seeds:
        try:
            outcome = next(outcomes)
        except AssertionError as error:  # the place is of no use any more
            print(error, flush=True)
            first = str(error).partition("\n")[0]
            outcome = Outcome(troubles=[f"it could not go on: {first}"])
            kept["outcomes"][str(seed)] = outcome.as_dict()
            table.keep(chosen.json, figures)
            raise Broken from error
        kept["outcomes"][str(seed)] = outcome.as_dict()
        table.keep(chosen.json, figures)  # what there is by now
        good &= not outcome.troubles
        _tell(one, seed, outcome)
    print(f"{one.name}: {len(seeds)} seeds took {time.monotonic() - began_s:.0f} s", flush=True)
    return good


def _tell(one: Experiment, seed: int, outcome: Outcome) -> None:
    print(
        f"{one.name} {seed}: {outcome.accepted} accepted, {outcome.done} done,"
        f" {outcome.failed} failed, {outcome.lost} lost, {outcome.duplicated} duplicated;"
        f" slowest {outcome.slowest_s:.1f} s",
        flush=True,
    )
    for trouble in outcome.troubles:
        print(f"  NOT AS PROMISED: {trouble}", flush=True)


if __name__ == "__main__":
    with interruptible():
        sys.exit(main())
