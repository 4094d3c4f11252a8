"""A process id counts only with its start time."""

import os
import subprocess
import sys
import time

import pytest

from ngf_core.runs.process import is_alive, start_time
from tests.support.waiting import until


def test_this_process_lives():
    started = start_time(os.getpid())
    assert started <= time.time() + 1
    assert is_alive(os.getpid(), started)
    assert not is_alive(os.getpid(), started - 10)


@pytest.mark.parametrize(("pid", "started"), [(None, None), (None, 1.0), (1, None),
                                              (2**22 + 1, 1.0)])
def test_what_is_not_known_is_not_alive(pid, started):
    assert not is_alive(pid, started)


def test_one_that_ended_is_dead_even_before_it_is_reaped():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = start_time(child.pid)
    assert is_alive(child.pid, started)
    child.kill()
    until(lambda: not is_alive(child.pid, started))
    child.communicate()
