"""Processor and wall seconds of a call."""

import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.side_by_side.record import Figures


def timed(call: Callable[[], Any]) -> tuple[Any, Figures]:
    """What `call` returned, with its "cpu" seconds (of the whole process) and "wall" seconds."""
    _wait()
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    _wait()
    return result, {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
