"""Run the serverless lane on this machine until Ctrl-C.

    python -m bench.lambda_lane

The real functions under AWS's own runtime client, one event at a time each, behind stand-ins for
API Gateway, S3's events and SQS, on a real PostgreSQL and a real S3-compatible server.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path

from bench.cpu_quota import CpuQuota
from bench.lambda_lane.invocations import most_at_once
from bench.lambda_lane.lane import FUNCTIONS, LambdaLane, running_lane
from bench.lambda_lane.left_out import listed, published_cold_start_ms
from bench.lambda_lane.limits import LaneLimits
from bench.lambda_lane.trouble import LaneError
from local.errors import LocalError
from local.interrupts import interruptible

PORT = 8001  # ./run has 8000
# Other names than those of the members of LaneLimits, which have options likewise.
SHORT = {"infer_max_concurrency": "concurrency"}


@interruptible()
def main() -> int:
    """Run the lane; return the exit status."""
    chosen = _parser().parse_args()
    try:
        limits = LaneLimits(**{one.name: getattr(chosen, one.name) for one in fields(LaneLimits)})
        with (
            _folder(chosen.folder) as folder,
            running_lane(folder, limits, port=chosen.port) as lane,
        ):
            print(_greeting(lane, limits, folder), flush=True)
            _until_stopped()
            print(_summary(lane, add_published=chosen.add_published), flush=True)
            if chosen.csv:
                lane.write_invocations(chosen.csv)
    except (LaneError, LocalError, OSError, ValueError) as error:
        print(f"bench.lambda_lane: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # before it ran
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    assert __doc__
    parser = argparse.ArgumentParser(
        prog="python -m bench.lambda_lane", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--port", type=int, default=PORT, help="the front door's; 0: any")
    parser.add_argument("--folder", type=Path, help="where logs and data stay; else nowhere")
    parser.add_argument("--csv", type=Path, help="write all invocations to this file at the end")
    parser.add_argument(
        "--add-published",
        action="store_true",
        help="tell cold starts also with what others published of what is left out",
    )
    defaults = LaneLimits()
    for one in fields(LaneLimits):
        default = getattr(defaults, one.name)
        parser.add_argument(
            f"--{SHORT.get(one.name, one.name).replace('_', '-')}",
            dest=one.name,
            type=float if isinstance(default, float) else int,
            default=default,
            help=f"{one.name}: {default}",
        )
    return parser


@contextmanager
def _folder(chosen: Path | None) -> Iterator[Path]:
    if chosen:
        yield chosen
    else:
        with tempfile.TemporaryDirectory(prefix="skylane-lambda-lane-") as folder:
            yield Path(folder)


def _until_stopped() -> None:
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


def _greeting(lane: LambdaLane, limits: LaneLimits, folder: Path) -> str:
    if quota := CpuQuota.of(1):
        quota.remove()
    share = "and processor time by it" if quota else "but all processors: no quotas here"
    return f"""
  The serverless lane runs on this machine.

  API      {lane.url}
  S3       {lane.s3_url}
  Memory   api {limits.api_memory_mb} MB, infer {limits.infer_memory_mb} MB ({share})
  Logs     {folder}
  Stop     Ctrl-C

Left out of it is:
{listed()}
"""


def _summary(lane: LambdaLane, *, add_published: bool) -> str:
    lines = [""]
    for function in FUNCTIONS:
        own = [one for one in lane.invocations() if one.function == function]
        cold = [one.init_ms for one in own if one.cold]
        failed = sum(one.outcome != "ok" for one in own)
        lines.append(
            f"{function:<6} {len(own)} invocations, {failed} failed, {len(cold)} cold starts,"
            f" {sum(one.gb_s for one in own):.2f} GB-s billed,"
            f" {lane.throttles()[function]} throttled"
        )
        if cold:
            median_ms = statistics.median(cold)
            lines.append(f"       INIT: median {median_ms:.0f} ms, worst {max(cold):.0f} ms")
            if add_published:
                least_ms, most_ms = published_cold_start_ms()
                lines.append(
                    f"       with {least_ms:.0f} ms at best and {most_ms:.0f} ms of a microVM alone"
                    f" that others published, NOT measured here: {median_ms + least_ms:.0f} to"
                    f" {median_ms + most_ms:.0f} ms, and an image's download more"
                )
    lines.append(f"{len(lane.dead_letters())} dead letters")
    at_once, processors = most_at_once(lane.invocations()), os.cpu_count() or 1
    if at_once > processors:
        lines.append(
            f"Up to {at_once} environments at once shared {processors} processors here, which AWS"
            " gives each of its own: starts and invocations took longer than there."
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
