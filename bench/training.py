"""A training step by itself: milliseconds an image, with memory kept and given back.

    python -m bench.training --arch resnet50 --side-px 64 --batch 128

Processes with and without `keep_memory` take turns, so that both meet the same noise.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

from settings import ROOT

ROUNDS, STEPS, WARM_UP_STEPS = 3, 4, 2


def main() -> None:
    """Run the benchmark and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arch", default="resnet50")
    parser.add_argument("--side-px", type=int, default=64)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--step", choices=["kept", "given back"], help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.step:
        print(step_ms(chosen.arch, chosen.side_px, chosen.batch, keep=chosen.step == "kept"))
        return
    found: dict[str, list[float]] = {"kept": [], "given back": []}
    for _ in range(chosen.rounds):
        for how, rounds in found.items():
            rounds.append(_in_a_process(how, sys.argv[1:]))
    ratios = [kept / given for kept, given in zip(found["kept"], found["given back"], strict=True)]
    print(json.dumps({"ms_an_image": found, "median_ratio": statistics.median(ratios)}, indent=2))


def _in_a_process(how: str, arguments: list[str]) -> float:
    command = [sys.executable, "-m", "bench.training", *arguments, "--step", how]
    return float(subprocess.check_output(command, cwd=ROOT, text=True))


def step_ms(arch: str, side_px: int, batch: int, *, keep: bool) -> float:
    """Return the quickest step's milliseconds for each of its images."""
    import torch
    from torch.nn import functional as F

    from model.reference.architecture import build
    from model.training.config import Config
    from model.training.device import keep_memory
    from model.training.state import State

    if keep:
        keep_memory()
    net = build(arch, 10).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    state = State(net, Config(arch=arch))
    images = torch.randn(batch, 3, side_px, side_px).contiguous(memory_format=torch.channels_last)
    wanted = torch.randint(0, 10, (batch,))
    took_ms = []
    for _ in range(WARM_UP_STEPS + STEPS):
        started = time.perf_counter()
        state.advance(F.cross_entropy(net(images), wanted), rate=1e-3)
        took_ms.append((time.perf_counter() - started) * 1000 / batch)
    return min(took_ms[WARM_UP_STEPS:])


if __name__ == "__main__":
    main()
