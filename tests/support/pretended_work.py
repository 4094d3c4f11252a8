"""Work for the worker's frame to do in tests: the seed says what happens, epochs how long."""

import signal
import time

import numpy as np

from ngf_core.errors import NGFError

QUICK, SLOW, REFUSES, BREAKS, OUT_OF_MEMORY, DEAF, STUBBORN, GREEDY = range(8)
STEP = 0.05
WANTED = 2 * 10**9  # bytes; zeros that are never written take no memory


def execute(config, store, writer) -> dict:
    """Count to `epochs`, unless the seed names a mishap."""
    if config.seed == REFUSES:
        raise NGFError("The data set is empty. Choose another one.")
    if config.seed == BREAKS:
        raise TypeError("secret detail")
    if config.seed == OUT_OF_MEMORY:
        raise MemoryError
    if config.seed == GREEDY:
        held = np.zeros(WANTED, np.uint8)
        raise AssertionError(f"{held.size} bytes were given")
    if config.seed == STUBBORN:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for step in range(1, config.epochs + 1):
        if config.seed not in (DEAF, STUBBORN):
            writer.checkpoint()
        time.sleep(0 if config.seed == QUICK else STEP)
        writer.point("train", step, step * STEP, {"acc": step / config.epochs}, {"acc": 100})
        writer.progress(step, config.epochs, f"epoch {step}")
    return {"train": {"acc": {"hits": 99, "n": 100}, "asr": None, "ra": None}}
