"""The network between a worker and the broker is cut: by a proxy, and for real in a namespace."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from tests.chaos.experiment import Strike, experiment
from tests.chaos.proxy import Proxy
from tests.chaos.world import World

# 198.18.0.0/15 is for tests of networks (RFC 2544), and so nobody's.
HOST, GUEST, BITS = "198.18.77.1", "198.18.77.2", 30


@experiment("network between a worker and the broker silent, then reset; no other worker")
def network_silent(strike: Strike) -> None:
    direct, _ = strike.world.workers
    with strike.world.stopped(direct):
        strike.moment()
        strike.world.proxy.go_silent()
        strike.silence()
        strike.world.proxy.heal()


@experiment("network between a worker and the broker cut by resets; no other worker")
def network_reset(strike: Strike) -> None:
    direct, _ = strike.world.workers
    with strike.world.stopped(direct):
        strike.moment()
        strike.world.proxy.cut()
        strike.outage()
        strike.world.proxy.heal()


def _ip(*words: str) -> bool:
    return subprocess.run(["ip", *words], capture_output=True, check=False).returncode == 0


def _name() -> str:
    return f"chaos{os.getpid()}"


@cache
def no_namespaces() -> str:
    """Say why this user cannot make a network namespace, and a wire into it; or nothing."""
    if not shutil.which("ip"):
        return "there is no `ip` (iproute2)"
    try:
        return "" if _make() else "this user may make no network namespace"
    finally:
        _remove()


def _make() -> bool:
    name, outside, inside = _name(), f"{_name()}o", f"{_name()}i"
    return (
        _ip("netns", "add", name)
        and _ip("link", "add", outside, "type", "veth", "peer", "name", inside)
        and _ip("link", "set", inside, "netns", name)
        and _ip("addr", "add", f"{HOST}/{BITS}", "dev", outside)
        and _ip("link", "set", outside, "up")
        and _ip("-n", name, "addr", "add", f"{GUEST}/{BITS}", "dev", inside)
        and _ip("-n", name, "link", "set", inside, "up")
    )


def _remove() -> None:
    _ip("link", "del", f"{_name()}o")
    _ip("netns", "del", _name())


@contextmanager
def namespace(world: World) -> Iterator[None]:
    """Have one more worker, in a network namespace with a wire to the broker's host."""
    assert _make()
    with Proxy(world.broker_socket, HOST) as door:
        worker = world.another_worker(
            "worker-3", ["ip", "netns", "exec", _name()], BROKER_URL=door.url
        )
        try:
            worker.up()
            world.workers.append(worker)
            world.settle()
            yield
        finally:
            world.workers.remove(worker)
            worker.down()
            _remove()


@experiment(
    "wire between the only worker's network namespace and the broker pulled for seconds",
    around=namespace,
    impossible=no_namespaces,
)
def network_unplugged(strike: Strike) -> None:
    *others, _ = strike.world.workers
    with strike.world.stopped(*others):
        strike.moment()
        assert _ip("link", "set", f"{_name()}o", "down")
        strike.silence()
        # The address stays with the link; what was sent meanwhile is sent again by TCP.
        assert _ip("link", "set", f"{_name()}o", "up")
