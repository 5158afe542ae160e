"""Deaths at exact points, in processes that the experiments start; Python imports this by its name.

Nothing of it is in the product: a module of ours is patched as soon as it was imported. A death is
armed by a file in $CHAOS_FOLDER, named after the program and the point: ``api.after-insert``. Who
comes to that point first takes the file away and kills itself by SIGKILL.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Sequence, Sized
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDER, PROGRAM = os.environ.get("CHAOS_FOLDER", ""), os.environ.get("CHAOS_PROGRAM", "")
# What poisoned images end with: a JPEG decoder does not read beyond the image's end.
SEGFAULT, EXHAUST = b"chaos:segfault", b"chaos:exhaust"
MORE_MEMORY_BYTES = 300 * 1024 * 1024


def die_if_armed(point: str) -> None:
    """Kill this process if somebody armed this point."""
    try:
        os.unlink(f"{FOLDER}/{PROGRAM}.{point}")
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def deadly(function: Callable[..., Any], step: str) -> Callable[..., Any]:
    """Return ``function`` with a point before it and one after it.

    Only where there is work: a sweep that finds nothing, and enqueues that, is of no interest.
    """

    def stepped(*arguments: Any, **named: Any) -> Any:
        work = all(argument for argument in arguments if isinstance(argument, Sized))
        if work:
            die_if_armed(f"before-{step}")
        result = function(*arguments, **named)
        if work and (result is None or getattr(result, "touched", result)):
            die_if_armed(f"after-{step}")
        return result

    return stepped


def poisonous(decode: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``decode`` as a broken library would have it: some images take the process along."""

    def decoded(data: bytes, **named: Any) -> Any:
        if data.endswith(SEGFAULT):
            import ctypes

            ctypes.string_at(0)  # a real SIGSEGV
        if data.endswith(EXHAUST):
            exhaust()
        return decode(data, **named)

    return decoded


def exhaust() -> None:
    """Take memory until there is no more, as under `ulimit -v`."""
    import resource

    used_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used_bytes + MORE_MEMORY_BYTES, resource.RLIM_INFINITY))
    taken = []
    while True:
        taken.append(bytearray(1024 * 1024))


def of_images(module: Any) -> None:
    module.FileImages.put_many = deadly(module.FileImages.put_many, "store")


def of_predictions(module: Any) -> None:
    for step in ("insert", "claim", "finish", "sweep"):
        setattr(module.Predictions, step, deadly(getattr(module.Predictions, step), step))


def of_celery(module: Any) -> None:
    module.enqueue = deadly(module.enqueue, "enqueue")


def of_decoding(module: Any) -> None:
    module.decode = poisonous(module.decode)


PATCHES: dict[str, Callable[[Any], None]] = {
    "store.images.files": of_images,
    "store.predictions": of_predictions,
    "tasks.celery_app": of_celery,
    "model.images": of_decoding,
}


class Finder(importlib.abc.MetaPathFinder):
    """Patches each of these modules when it has been imported, before anyone has its names."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in PATCHES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        assert spec
        assert spec.loader
        run = spec.loader.exec_module

        def run_and_patch(module: ModuleType) -> None:
            run(module)
            PATCHES[name](module)

        spec.loader.exec_module = run_and_patch  # type: ignore[method-assign]
        return spec


if FOLDER:
    sys.meta_path.insert(0, Finder())
