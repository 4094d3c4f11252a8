"""The device that computes, and full float32 precision on it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def instructions() -> str:
    """What the processor multiplies with, on which the last digits of every result depend:
    "AVX512", "AVX512 bf16", "AVX512 bf16 AMX", "AVX2", "DEFAULT"."""
    has = {"bf16": torch.cpu._is_avx512_bf16_supported(), "AMX": torch.cpu._is_amx_tile_supported()}
    extra = [name for name, there in has.items() if there]
    return " ".join([torch.backends.cpu.get_cpu_capability(), *extra])


@contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """Convolutions in full float32 on a GPU, where torch lets them round to TF32 by default.

    TF32 keeps 10 bits of each factor, a relative error near 1e-3: enough to train, too little for
    a surface or a product whose digits are to be quoted. The setting is process-wide, and restored
    on exit.
    """
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
