"""The environments of one function: which there are, who gets one, and when one ends."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import psutil

from bench.lambda_environment import INIT_LIMIT_S, LambdaEnvironment, LambdaError, LambdaTimeout
from bench.lambda_lane.functions import Done, Function, NotInTime, ScalingRate, Throttled
from bench.lambda_lane.invocations import Invocation, Ledger, billed_ms
from bench.lambda_lane.trouble import Trouble

BYTES_PER_MB = 1e6
CLOSE_WITHIN_S = 30.0


class _Place:
    """What an environment is or is about to be in."""

    def __init__(self, name: str, folder: Path, generation: int) -> None:
        self.id = name
        self.folder = folder  # its /tmp, empty at first
        self.generation = generation
        self.environment: LambdaEnvironment | None = None
        self.idle_since_s = 0.0

    def end(self) -> None:
        if self.environment:
            self.environment.__exit__()
        shutil.rmtree(self.folder, ignore_errors=True)


class Pool:
    """The environments of one function. Thread-safe; ``close`` it.

    The environment that worked last is the first to work again, as is observed on AWS, so that
    those which are too many fall idle and end. An event that finds none free waits for the one that
    is started for it, even if another falls free before.
    """

    def __init__(
        self,
        function: Function,
        env: Mapping[str, str],
        folder: Path,
        ledger: Ledger,
        *,
        keep_alive_s: float,
        scaling: ScalingRate,
        trouble: Trouble | None = None,
    ) -> None:
        self.function = function
        self._env = env
        self._folder = folder
        self.ledger = ledger
        self._keep_alive_s = keep_alive_s
        self._scaling = scaling
        self._trouble = trouble or Trouble()
        self._lock = threading.Lock()  # held for as long as it takes to look, never for a start
        self._idle: list[_Place] = []  # who worked last is last
        self._live: set[_Place] = set()  # idle, starting and working ones
        self._numbers = count(1)
        self._generation = 0
        self._closed = False
        self._starting: set[LambdaEnvironment] = set()
        self._started_all = threading.Condition(self._lock)
        folder.mkdir(parents=True, exist_ok=True)

    def invoke(self, event: Any, *, records: int = 1, within_s: float | None = None) -> Done:
        """Give an event to an environment, which is started if it must be, and wait for the end.

        ``event`` is an object, or JSON in bytes.

        Raises:
            Throttled: the function has no environment for it.
            NotInTime: it takes longer than ``within_s``, and goes on.
        """
        asked_s = self.ledger.now_s()
        place = self._take()
        cold = place.environment is None
        if within_s is None or (not cold and self.function.timeout_s < within_s):
            return self._run(place, event, records, asked_s)
        ends: SimpleQueue[Done] = SimpleQueue()
        threading.Thread(
            target=lambda: ends.put(self._run(place, event, records, asked_s)), daemon=True
        ).start()
        try:
            return ends.get(timeout=within_s)
        except Empty:
            raise NotInTime from None

    def count(self) -> int:
        """Return how many environments there are: idle, starting and working ones."""
        with self._lock:
            return len(self._live)

    def pids(self) -> list[int]:
        """Return the processes of those that have started."""
        with self._lock:
            return [one.environment.pid for one in self._live if one.environment]

    def memory_mb(self) -> float:
        """Return the resident memory of the largest environment, in units of 10^6 bytes."""
        sizes = [0.0]
        for pid in self.pids():
            try:
                sizes.append(psutil.Process(pid).memory_info().rss / BYTES_PER_MB)
            except psutil.NoSuchProcess:  # it ended meanwhile
                continue
        return max(sizes)

    def end_idle(self) -> None:
        """End the environments that had no work for too long."""
        until_s = time.monotonic() - self._keep_alive_s
        self._end(lambda place: place.idle_since_s <= until_s)

    def end_environments(self) -> None:
        """End all of them, those at work after their event: what comes next is cold."""
        with self._lock:
            self._generation += 1
        self._end(lambda place: True)

    def close(self) -> None:
        """End all of them, at once, those that are starting as well."""
        with self._lock:
            self._closed = True
            for environment in self._starting:
                environment.give_up()
            self._started_all.wait_for(lambda: not self._starting, CLOSE_WITHIN_S)
            places = list(self._live)
            self._live.clear()
            self._idle.clear()
        self._end_all(places)

    def _take(self) -> _Place:
        dead = []
        try:
            with self._lock:
                while self._idle:
                    place = self._idle.pop()
                    assert place.environment
                    if place.environment.alive:
                        return place
                    self._live.discard(place)
                    dead.append(place)
                # Idle ones do not count: where there is one, it is taken above.
                allowed = len(self._live) < self.function.concurrency
                if self._closed or not allowed or not self._scaling.take():
                    self.ledger.throttled(self.function.name)
                    raise Throttled(self.function.name)
                name = f"{self.function.name}-{next(self._numbers)}"
                place = _Place(name, self._folder / name, self._generation)
                self._live.add(place)
                return place
        finally:
            if dead:
                threading.Thread(target=self._end_all, args=[dead], daemon=True).start()

    def _run(self, place: _Place, event: Any, records: int, asked_s: float) -> Done:
        cold, init_ms, duration_ms = place.environment is None, 0.0, 0.0
        began_s = time.perf_counter()
        done = Done("died")
        try:
            environment = place.environment or self._started(place)
            if cold:
                init_ms = (time.perf_counter() - began_s) * 1000
                began_s = time.perf_counter()
            answer = environment.invoke(event, self.function.timeout_s)
            done = Done("error" if answer.error else "ok", answer.payload)
            duration_ms = answer.duration_ms
        except Exception as error:
            # No process, or an answer of no JSON; all else is a mistake of the lane's own.
            if not isinstance(error, LambdaError | OSError | ValueError):
                self._trouble.take(f"invocation of {self.function.name}", error)
            done = Done("timeout" if isinstance(error, LambdaTimeout) else "died", str(error))
            took_ms = (time.perf_counter() - began_s) * 1000
            if cold and not init_ms:
                init_ms = took_ms
            else:
                duration_ms = took_ms
        finally:  # an interrupt as well: its place is given back
            self._give_back(place, usable=done.outcome in ("ok", "error"))
        if not self._closed:
            self.ledger.add(
                Invocation(
                    function=self.function.name,
                    environment=place.id,
                    cold=cold,
                    init_ms=round(init_ms, 3),
                    duration_ms=round(duration_ms, 3),
                    billed_ms=billed_ms(duration_ms, init_ms),
                    memory_mb=self.function.memory_mb,
                    started_s=round(asked_s, 6),
                    records=records,
                    outcome=done.outcome,
                )
            )
        return done

    def _started(self, place: _Place) -> LambdaEnvironment:
        # INIT that takes too long or fails is tried once more, with the function's own time:
        # https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
        try:
            return self._start(place, INIT_LIMIT_S)
        except LambdaError:
            if self._closed:
                raise
            return self._start(place, self.function.timeout_s)

    def _start(self, place: _Place, limit_s: float) -> LambdaEnvironment:
        env = {
            **self._env,
            "SKYLANE_HOME": str(place.folder),
            "AWS_LAMBDA_LOG_STREAM_NAME": place.id,
        }
        environment = LambdaEnvironment(
            self.function.handler,
            env,
            self._folder / f"{place.id}.log",
            self.function.memory_mb,
            init_limit_s=limit_s,
        )
        with self._lock:
            if self._closed:
                raise LambdaError("the lane is closed")
            self._starting.add(environment)
        try:
            environment.__enter__()
        except BaseException:
            self._start_is_over(environment)
            raise
        with self._lock:
            if kept := place in self._live:
                place.environment = environment
        if not kept:  # the pool was closed, and nobody waits for it
            environment.__exit__()
        self._start_is_over(environment)
        if not kept:
            raise LambdaError("the lane is closed")
        return environment

    def _start_is_over(self, environment: LambdaEnvironment) -> None:
        with self._lock:
            self._starting.discard(environment)
            self._started_all.notify_all()

    def _give_back(self, place: _Place, *, usable: bool) -> None:
        place.idle_since_s = time.monotonic()
        with self._lock:
            if self._closed:
                return
            if usable and place.generation == self._generation:
                self._idle.append(place)
                return
            self._live.discard(place)
        # Nobody waits for its end.
        threading.Thread(target=self._end_all, args=[[place]], daemon=True).start()

    def _end(self, wanted: Callable[[_Place], bool]) -> None:
        with self._lock:
            ending = [place for place in self._idle if wanted(place)]
            self._idle = [place for place in self._idle if place not in ending]
            self._live.difference_update(ending)
        self._end_all(ending)

    def _end_all(self, places: list[_Place]) -> None:
        threads = [threading.Thread(target=self._end_one, args=[place]) for place in places]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _end_one(self, place: _Place) -> None:
        try:
            place.end()
        except Exception as error:
            self._trouble.take(f"end of {place.id}", error)
