"""Where a net is trained, and in which precision that is fast."""

from __future__ import annotations

import ctypes
import sys

import torch

# Parameters of glibc's mallopt(3), by their numbers in malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
TOP_PAD_BYTES, NEVER_BYTES = 256 * 1024 * 1024, 2**31 - 1


def keep_memory() -> None:
    """Let the process keep the memory that a step needs for the next step.

    A net's activations are megabytes each. glibc gives such a piece back to the kernel when
    it is freed, which then has to clear and map it anew, page by page: at 96 pixels, that was
    a third of the time of a step (`python -m bench.training`).
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return  # another C library, with an allocator of its own
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, NEVER_BYTES)
    mallopt(M_TOP_PAD, TOP_PAD_BYTES)


def device() -> str:
    """Return "cuda" where there is a GPU, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def computes_in_bf16(where: str, precision: str = "auto") -> bool:
    """Return whether to compute in bf16: as ``precision`` says, or if that is what is fast.

    Where a processor has no such instructions, bf16 is emulated: many times slower.
    """
    if precision != "auto":
        return precision == "bf16"
    if where == "cuda":
        return True
    can = torch.cpu.get_capabilities()
    return bool(can.get("amx_bf16") or can.get("avx512_bf16"))


def described(where: str) -> str:
    """Return what the device is, for a record of how long something took on it."""
    if where == "cuda":
        return torch.cuda.get_device_name()
    can = torch.cpu.get_capabilities()
    return f"{torch.get_num_threads()} cores, {can.get('cpu_name', can['architecture'])}"
