"""Waiting for another process in a test."""

import time
from collections.abc import Callable


def until(happened: Callable[[], bool], seconds: float = 30.0) -> None:
    """Return once `happened()` is true. Raises AssertionError after `seconds`."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)
