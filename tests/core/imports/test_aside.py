"""The process in which files from outside are opened: what it may do, and what becomes of it."""

import ctypes
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from ngf_core.errors import NGFError
from ngf_core.imports import aside as aside_module
from ngf_core.imports import confined
from ngf_core.imports.aside import PATIENCE, Lost, aside, turn

WITHOUT = sys.platform != "linux" or ctypes.CDLL(None).syscall(
    confined.CREATE_RULESET, None, 0, confined.VERSION) < 6


def opened(tmp_path, task, *words, **limits):
    (tmp_path / "file").write_text("sent")
    (tmp_path / "folder").mkdir()
    return aside(f"tests.support.{task}", tmp_path / "file", tmp_path / "folder", *words,
                 **{"memory_gb": 1.0, "seconds": 60.0} | limits)


@pytest.mark.skipif(WITHOUT, reason="this kernel has no Landlock of version 6")
def test_it_reads_and_writes_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setenv("NGF_TOKEN", "sesame")
    (tmp_path / "secret").write_text("sesame")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        found = opened(tmp_path, "prying:pry", str(tmp_path / "secret"), port)
    assert found.pop("read the file") == "done"
    assert found.pop("write into the folder") == "done"
    assert found.pop("see the token") == "KeyError"
    assert found.pop("threads") == "1", "a thread that ran before would not be confined"
    assert set(found.values()) == {"PermissionError"}, found
    assert len(found) == 9
    assert (tmp_path / "file").read_text() == "sent" and not (tmp_path / "planted").exists()


def test_without_landlock_nothing_is_given_up(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not confined.confine((tmp_path,), tmp_path)
    (tmp_path / "made").write_text("x")


def test_one_that_does_not_end_is_lost(tmp_path):
    with pytest.raises(Lost):
        opened(tmp_path, "unruly:loop", seconds=2.0)


def test_one_that_fills_the_disk_is_lost(tmp_path):
    with pytest.raises(Lost):
        opened(tmp_path, "unruly:fill", memory_gb=0.01)
    assert (tmp_path / "folder" / "made").stat().st_size < 10**8


def test_a_report_of_another_form_counts_as_none(tmp_path):
    with pytest.raises(Lost):
        opened(tmp_path, "unruly:babble")


def test_files_are_opened_one_after_the_other(tmp_path):
    order, inside = [], threading.Event()

    def first():
        with turn(tmp_path / "kept"):
            inside.set()
            time.sleep(0.3)
            order.append("first")

    other = threading.Thread(target=first)
    other.start()
    inside.wait(10)
    with pytest.raises(NGFError, match="one after the other, and this one's turn has not come"), \
            turn(tmp_path / "kept", patience=0.0):
        order.append("between")
    with turn(tmp_path / "kept", patience=60.0):
        order.append("second")
    other.join()
    assert order == ["first", "second"]
    assert os.listdir(tmp_path) == ["kept.lock"]


def test_who_came_first_is_served_first(tmp_path):
    """Numbers come with the arrival: looking more often does not help."""
    order, queue, folder = [], [], tmp_path / "kept"

    def wait(number, arrived):
        with turn(folder, waiting=arrived.set):
            order.append(number)

    with turn(folder):
        for number in range(5):
            arrived = threading.Event()
            queue.append(threading.Thread(target=wait, args=(number, arrived)))
            queue[-1].start()
            assert arrived.wait(30)
        assert order == []
    for thread in queue:
        thread.join(30)
    assert order == [0, 1, 2, 3, 4]


def test_who_ends_without_a_word_keeps_nobody_waiting(tmp_path):
    """A process that is killed with its turn, and the number of one that was before."""
    (tmp_path / "kept-3.lock").touch()
    killed = subprocess.Popen(
        [sys.executable, "-c", "import sys, time; from pathlib import Path; "
         "from ngf_core.imports.aside import turn\n"
         f"with turn(Path({str(tmp_path / 'kept')!r})): print('in', flush=True); time.sleep(600)"],
        stdout=subprocess.PIPE, text=True)
    assert killed.stdout.readline() == "in\n"
    with pytest.raises(NGFError, match="turn has not come"), turn(tmp_path / "kept", patience=0.0):
        raise AssertionError("it has no turn")
    killed.kill()
    killed.wait()
    killed.stdout.close()
    with turn(tmp_path / "kept", patience=0.0):
        assert sorted(os.listdir(tmp_path)) == ["kept-5.lock", "kept.lock"]


def test_one_that_waits_is_told_until_its_turn_comes(tmp_path):
    held, told = ExitStack(), []

    def release():
        told.append("wait")
        if len(told) == 2:
            held.close()

    held.enter_context(turn(tmp_path / "kept"))
    with turn(tmp_path / "kept", waiting=release):
        assert told == ["wait"] * 2
    with turn(tmp_path / "kept", waiting=release):
        assert told == ["wait"] * 2


def test_it_looks_more_often_than_it_tells(tmp_path, monkeypatch):
    """A page draws its sentence anew each time it is told."""
    clock, looks, told = [0.0], [], []

    def sleep(seconds):
        looks.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(aside_module, "time", SimpleNamespace(monotonic=lambda: clock[0],
                                                              sleep=sleep))
    with turn(tmp_path / "kept"), pytest.raises(NGFError), \
            turn(tmp_path / "kept", patience=10.0, waiting=lambda: told.append(clock[0])):
        raise AssertionError("it has no turn")
    assert clock[0] == pytest.approx(10.0) and len(looks) == pytest.approx(100, abs=2)
    assert len(told) == pytest.approx(9, abs=1)


def test_what_ends_the_wait_leaves_the_turn_to_others(tmp_path):
    """As when the page that waits is closed."""
    def closed():
        raise KeyboardInterrupt

    with turn(tmp_path / "kept"), pytest.raises(KeyboardInterrupt), \
            turn(tmp_path / "kept", waiting=closed):
        raise AssertionError("it has no turn")
    with turn(tmp_path / "kept", patience=0.0):
        pass


def test_thirty_files_of_a_class_have_the_time_to_be_read():
    assert PATIENCE >= 30 * 20, "each takes up to twenty seconds"
