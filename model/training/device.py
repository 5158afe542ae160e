"""Where a net is trained, and in which precision that is fast."""

from __future__ import annotations

import torch


def device() -> str:
    """Return "cuda" where there is a GPU, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def computes_in_bf16(where: str, precision: str = "auto") -> bool:
    """Return whether to compute in bf16: as ``precision`` says, or if that is what is fast.

    Where a processor has no such instructions, bf16 is emulated: many times slower.
    """
    if precision != "auto":
        return precision == "bf16"
    can = torch.cpu.get_capabilities()
    return where == "cuda" or bool(can.get("amx_bf16") or can.get("avx512_bf16"))


def described(where: str) -> str:
    """Return what the device is, for a record of how long something took on it."""
    if where == "cuda":
        return torch.cuda.get_device_name()
    can = torch.cpu.get_capabilities()
    return f"{torch.get_num_threads()} cores, {can.get('cpu_name', can['architecture'])}"
