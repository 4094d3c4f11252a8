"""The device that computes, and full float32 precision on it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


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
