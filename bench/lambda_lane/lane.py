"""The whole lane: stores, bucket events, queue, functions, schedule and front door."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from bench.lambda_lane import invocations
from bench.lambda_lane.bucket import PREFIX, Bucket, heard
from bench.lambda_lane.functions import Function, ScalingRate, Throttled
from bench.lambda_lane.gateway import gateway
from bench.lambda_lane.invocations import Invocation, Ledger
from bench.lambda_lane.limits import LaneLimits
from bench.lambda_lane.mapping import EventSourceMapping
from bench.lambda_lane.pool import Pool
from bench.lambda_lane.queue import Message, Queue
from bench.lambda_lane.trouble import Trouble
from local.s3 import BUCKET, KEYS, s3_server
from local.stack import embedded
from settings import Settings
from store.migrations import migrate

FUNCTIONS = ("api", "infer", "sweep")
PASSED_ON = ("SKYLANE_", "OTEL_")  # variables of ours that the functions get as well
MAX_BODY_BYTES = 4_500_000  # infra/serverless.yml
LOOK_EVERY_S = 0.5


class LambdaLane:
    """A running lane: where it is, and what happened in it."""

    def __init__(
        self, url: str, database_url: str, s3_url: str, pools: Mapping[str, Pool], queue: Queue
    ) -> None:
        self.url = url  # the front door's
        self.database_url = database_url
        self.s3_url = s3_url
        self.queue = queue
        self._pools = pools
        self._ledger = next(iter(pools.values())).ledger

    def invocations(self) -> list[Invocation]:
        """Return all invocations that have ended, in that order."""
        return self._ledger.invocations()

    def throttles(self) -> dict[str, int]:
        """Return how often each function was throttled; a batch of messages, with each try."""
        counted = self._ledger.throttles()
        return {name: counted.get(name, 0) for name in self._pools}

    def dead_letters(self) -> list[Message]:
        """Return the messages that were delivered too often."""
        return self.queue.dead_letters()

    def environments(self) -> dict[str, int]:
        """Return how many environments each function has: idle, starting and working ones."""
        return {name: pool.count() for name, pool in self._pools.items()}

    def pids(self, function: str) -> list[int]:
        """Return the processes of a function's environments, for those who want to kill one."""
        return self._pools[function].pids()

    def memory_mb(self) -> dict[str, float]:
        """Return the resident memory of each function's largest environment (10^6 bytes)."""
        return {name: pool.memory_mb() for name, pool in self._pools.items()}

    def end_environments(self) -> None:
        """End all environments, those at work after their event: what comes next is cold."""
        for pool in self._pools.values():
            pool.end_environments()

    def write_invocations(self, path: Path) -> None:
        """Write all invocations as CSV."""
        invocations.write(self.invocations(), path)


@contextmanager
def running_lane(
    folder: Path,
    limits: LaneLimits,
    *,
    stores: tuple[str, str] | None = None,
    port: int = 0,
    told_port: int = 0,
) -> Iterator[LambdaLane]:
    """Run the lane for as long as the ``with`` lasts; ``folder`` gets logs and data.

    ``port`` is the front door's on loopback (0: any). ``stores`` are a migrated database and an
    S3-compatible store of others, ``(database_url, s3_url)``, in place of ones of the lane's own.
    That store has to tell ``told_port`` of its objects, and its keys have to be in the environment:
    ``s3_server(folder, hook_url(told_port), PREFIX)`` sees to both.

    Raises:
        LocalError: a store could not start, or does not tell of its objects.
        OSError: the port is taken.
        LaneError: on the way out, unless another exception is on its own: a thread of the lane's
            failed meanwhile.
    """
    trouble = Trouble()
    folder.mkdir(parents=True, exist_ok=True)
    queue = Queue(limits.visibility_timeout_s, limits.max_receive_count)
    bucket = Bucket(queue.send)
    with ExitStack() as running:
        tell = running.enter_context(heard(bucket, told_port))
        database_url, s3_url = stores or running.enter_context(_stores(folder, tell))
        bucket.try_it(s3_url)
        ledger = Ledger()
        pools = {
            function.name: Pool(
                function,
                _variables(database_url, s3_url),
                folder / function.name,
                ledger,
                keep_alive_s=limits.keep_alive_s,
                scaling=ScalingRate(limits.scaling_environments, limits.scaling_every_s),
                trouble=trouble,
            )
            for function in _functions(limits)
        }
        for pool in pools.values():
            running.callback(pool.close)
        lane = LambdaLane("", database_url, s3_url, pools, queue)
        running.enter_context(EventSourceMapping(queue, pools["infer"], limits, trouble))
        every = min(LOOK_EVERY_S, limits.keep_alive_s / 4)
        running.enter_context(repeated("idle expiry", lambda: _end_idle(pools), every, trouble))
        sweep = partial(_sweep, pools["sweep"], trouble)
        running.enter_context(repeated("schedule", sweep, limits.sweep_every_s, trouble))
        lane.url = running.enter_context(gateway(pools["api"], port))
        yield lane
    trouble.tell()


@contextmanager
def _stores(folder: Path, tell: str) -> Iterator[tuple[str, str]]:
    # This lane has no broker: an address keeps one from being started.
    settings = Settings(home=folder / "home").model_copy(update={"broker_url": "none://"})
    (folder / "s3").mkdir(exist_ok=True)
    with (
        embedded(settings) as (database_url, _),
        s3_server(folder / "s3", tell=tell, prefix=PREFIX) as s3_url,
    ):
        migrate(database_url)
        yield database_url, s3_url


def _functions(limits: LaneLimits) -> list[Function]:
    chosen = {
        "api": (limits.api_memory_mb, limits.api_timeout_s),
        "infer": (limits.infer_memory_mb, limits.infer_timeout_s),
        "sweep": (limits.infer_memory_mb, limits.sweep_timeout_s),
    }
    return [
        Function(
            name, f"lambda_adapters.{name}.handler", memory_mb, timeout_s, limits.concurrency(name)
        )
        for name, (memory_mb, timeout_s) in chosen.items()
    ]


def _variables(database_url: str, s3_url: str) -> dict[str, str]:
    """Return the functions' variables: those that a deployment sets, and ours."""
    ours = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
    return {
        "SKYLANE_MAX_BODY_BYTES": str(MAX_BODY_BYTES),
        "SKYLANE_ACCESS": "open",  # the gateway listens on loopback alone
        **ours,
        "DATABASE_URL": database_url,
        "SKYLANE_LANE": "serverless",
        "SKYLANE_IMAGES_URL": f"s3://{BUCKET}/{PREFIX}",
        "SKYLANE_S3_ENDPOINT_URL": s3_url,
        **{name: os.environ.get(name, value) for name, value in KEYS.items()},
    }


def _end_idle(pools: Mapping[str, Pool]) -> None:
    for pool in pools.values():
        pool.end_idle()


def _sweep(pool: Pool, trouble: Trouble) -> None:
    """Give the sweep what its schedule gives it. One that takes long does not hold up the next."""
    event = {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:000000000000:rule/skylane-local-sweep"],
        "detail": {},
    }
    threading.Thread(target=_given, args=[pool, event, trouble], daemon=True).start()


def _given(pool: Pool, event: dict[str, Any], trouble: Trouble) -> None:
    try:
        pool.invoke(event)
    except Throttled:  # counted; the next one comes in a minute
        pass
    except Exception as error:
        trouble.take("sweep", error)


@contextmanager
def repeated(
    what: str, work: Callable[[], None], every_s: float, trouble: Trouble
) -> Iterator[None]:
    """Do something again and again, at first after ``every_s``, even if it fails."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(every_s):
            try:
                work()
            except Exception as error:
                trouble.take(what, error)

    threading.Thread(target=repeat, daemon=True).start()
    try:
        yield
    finally:
        over.set()
