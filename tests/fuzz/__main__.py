"""Mutated images against decoding and a live API: python -m tests.fuzz --inputs 20000.

With --api, requests made from the OpenAPI document instead. Whatever is named as wrong can be made
again: `python -m tests.fuzz --seed S --write NUMBER` writes that input's file.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from tests.fuzz import summary
from tests.fuzz.decoding import decode_all
from tests.fuzz.documented import ask, whole_stack
from tests.fuzz.inputs import kind_of, made
from tests.fuzz.uploading import Uploaded, upload_all
from tests.stack import Stack

INPUTS = 20_000
EXAMPLES = 300
SEED = 1


def main() -> int:
    """Run it, print its tables, and fail if anything is wrong."""
    parser = ArgumentParser("python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "--inputs", type=int, default=INPUTS, help="how many (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=SEED, help="(default: %(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="that decode (default: 2)")
    parser.add_argument("--connections", type=int, default=4, help="that upload (default: 4)")
    parser.add_argument("--decode-only", action="store_true", help="start no stack")
    parser.add_argument("--api", action="store_true", help="ask what the OpenAPI document says")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="of each kind, with --api")
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--write", type=int, metavar="NUMBER", help="write one input's file")
    chosen = parser.parse_args()
    if chosen.write is not None:
        return _write(chosen.seed, chosen.write)
    return _api(chosen) if chosen.api else _images(chosen)


def _api(chosen: Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder)
        with whole_stack(own) as stack:
            asked = ask(stack.url, seed=chosen.seed, examples=chosen.examples, folder=own)
            log = stack.log.read_text()
    print(asked.lines)
    if not asked.ok:
        print("the end of the stack's log:", log[-5000:], sep="\n")
    print(f"{asked.sent} requests to {asked.operations} routes: {'sound' if asked.ok else 'WRONG'}")
    if chosen.json:
        chosen.json.write_text(
            json.dumps({name: value for name, value in vars(asked).items() if name != "lines"})
        )
    return 0 if asked.ok else 1


def _images(chosen: Namespace) -> int:
    began = time.monotonic()
    numbers = range(chosen.inputs)
    decoded = decode_all(chosen.seed, numbers, chosen.processes)
    uploaded: list[Uploaded] = []
    if not chosen.decode_only:
        with tempfile.TemporaryDirectory() as folder, Stack(Path(folder) / "home") as stack:
            workers = stack.pids("tasks.celery_app worker")
            uploaded = upload_all(stack.url, chosen.seed, numbers, chosen.connections)
            assert stack.pids("tasks.celery_app worker") == workers, "a worker died"
    told = summary.document(chosen.seed, decoded, uploaded, time.monotonic() - began)
    wrong = summary.wrong_ones(decoded, uploaded)
    for title, kind in (
        ("format and mutation", lambda number: ", ".join(kind_of(number))),
        ("format", lambda number: kind_of(number)[0]),
        ("mutation", lambda number: kind_of(number)[1]),
    ):
        print(
            *summary.lines(title, summary.HEADER, summary.rows_by(kind, decoded, wrong)), sep="\n"
        )
        print()
    for number, what in sorted(wrong.items()):
        print(f"{number} ({', '.join(kind_of(number))}): {what}")
    print(
        f"{told['inputs']} decoded, {told['uploaded']} uploaded in {told['seconds']} s: "
        f"{told['accepted']} accepted, {len(wrong)} wrong; answers {told['answers']}"
    )
    if chosen.json:
        chosen.json.write_text(json.dumps(told, indent=1) + "\n")
    return 1 if wrong else 0


def _write(seed: int, number: int) -> int:
    one = made(seed, number)
    path = Path(f"{seed}-{number}.{one.image_format.lower()}")
    path.write_bytes(one.data)
    print(f"{path}: {one.image_format}, {one.mutation}, {len(one.data)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
