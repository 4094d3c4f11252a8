"""Waiting through minutes in which Slurm does not answer: it is restarted, or too busy."""

import time
from collections.abc import Callable
from typing import TypeVar

from ngf_core.launch.slurm_queue import SlurmSilent

T = TypeVar("T")
PATIENT, PAUSE = 900.0, 30.0  # seconds


def patiently(look: Callable[[], T]) -> T:
    """look(), asked again for `PATIENT` seconds where it raises SlurmSilent; then that is raised.
    """
    until = time.monotonic() + PATIENT
    while True:
        try:
            return look()
        except SlurmSilent:
            if time.monotonic() > until:
                raise
        time.sleep(PAUSE)
