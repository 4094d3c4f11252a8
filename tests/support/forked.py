"""The confined process that opens files from outside, forked instead of started anew."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from unittest.mock import patch

from ngf_core.imports import aside


@contextmanager
def forked() -> Iterator[None]:
    """Within this, `aside` runs its `main` in a fork of this process.

    Limits, environment and what the process gives up are those of a new one. The seconds that a new
    interpreter takes to import torch are saved, for each of hundreds of files; but modules that are
    imported here, and patched, are so in the fork. What a visitor's file meets, a new process, is
    held by tests that do not use this.
    """
    instead = SimpleNamespace(**vars(subprocess) | {"run": _run})
    with patch.object(aside, "subprocess", instead):
        yield


def _run(command: Sequence[str], timeout: float, env: Mapping[str, str], **_: object) -> None:
    assert command[1:3] == ["-m", aside.__name__], command
    child = os.fork()
    if not child:
        try:
            os.environ.clear()
            os.environ.update(env)
            aside.main(list(command[3:]))
        finally:
            os._exit(0)  # only the report counts
    until = time.monotonic() + timeout
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise subprocess.TimeoutExpired(list(command), timeout)
        time.sleep(0.01)
