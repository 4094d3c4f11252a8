"""Independent pieces of work on all of torch's threads."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def spread(device: torch.device) -> Iterator[Callable[..., Iterator[Any]]]:
    """A `map` whose calls run beside each other, one to each of torch's threads, results in order.

    Whole chunks beside each other, each worker on one thread, leave no thread waiting at the end of
    each operation as torch's own division of one operation does. torch's number of threads is
    partly a thread's own and partly the process's: it is set to 1 here and put back on leaving,
    which also waits for the workers. One thread, or a GPU, is used as it is.
    """
    before = torch.get_num_threads()
    if before == 1 or device.type != "cpu":
        yield map
        return
    pool = ThreadPoolExecutor(before, initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)
