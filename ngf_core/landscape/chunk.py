"""How many samples go through the network at once."""

import time
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

# Larger chunks fall out of the processor's cache, smaller ones pay each call more often.
SIZES = (16, 32, 64, 128)
GPU = 512


def best_chunk(run: Callable[[Tensor], object], inputs: Iterable[Tensor]) -> int:
    """The chunk size of SIZES at which `run` takes the least time for each sample.

    inputs: one chunk of each size to try it on. Each runs twice, and the second run counts, in
    processor time of this thread, which other programs disturb least.
    """
    times = {}
    for chunk in inputs:
        run(chunk)
        start = time.thread_time()
        run(chunk)
        times[len(chunk)] = (time.thread_time() - start) / len(chunk)
    return min(times, key=times.get)


def one_thread(work: Callable[[], int]) -> int:
    """`work()` with torch on one thread, as each of the workers will have."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return work()
    finally:
        torch.set_num_threads(before)
