"""Slurm is asked for all viewers together, and a page never waits long for it."""

import threading
from pathlib import Path

import pytest

from app.read import slurm_answer
from app.read.slurm_answer import Asking
from ngf_core.errors import NGFError
from ngf_core.launch.submitted import Submitted
from tests.support.faked import faked
from tests.support.waiting import until

JOB = {"a": Submitted(True, True, "Job 17_0 is PENDING.", "17_0")}


class Slurm:
    """Answers when it is let to; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked, self.fails, self.free = 0, False, threading.Event()
        self.free.set()

    def submitted(self, folder: Path) -> dict[str, Submitted]:
        self.asked += 1
        self.free.wait(60)
        if self.fails:
            raise NGFError("Slurm refused squeue.")
        return dict(JOB)


@pytest.fixture
def slurm(monkeypatch):
    slurm = Slurm()
    faked(monkeypatch, slurm_answer, "submitted", slurm.submitted)
    monkeypatch.setattr(slurm_answer, "PATIENCE", 20.0)
    monkeypatch.setattr(slurm_answer, "BRIEF", 20.0)
    yield slurm
    slurm.free.set()


def test_many_viewers_ask_once(slurm, tmp_path):
    asking = Asking(tmp_path)
    assert [asking.answer() for _ in range(30)] == [JOB] * 30
    assert slurm.asked == 1


def test_it_is_asked_again_after_a_while(slurm, tmp_path, monkeypatch):
    asking = Asking(tmp_path)
    asking.answer()
    monkeypatch.setattr(slurm_answer, "AGAIN", -1.0)
    asking.answer()
    assert slurm.asked == 2


def test_a_first_answer_that_does_not_come_is_a_sentence(slurm, tmp_path, monkeypatch):
    slurm.free.clear()
    monkeypatch.setattr(slurm_answer, "PATIENCE", 0.05)
    asking = Asking(tmp_path)
    for _ in range(3):
        with pytest.raises(NGFError, match=r"Slurm has not answered for \d+ s\."):
            asking.answer()
    assert slurm.asked == 1, "one question at a time"
    slurm.free.set()
    until(lambda: asking.question.done(), seconds=20)
    assert asking.answer() == JOB


def test_a_slow_later_answer_leaves_the_one_before(slurm, tmp_path, monkeypatch):
    asking = Asking(tmp_path)
    asking.answer()
    slurm.free.clear()
    monkeypatch.setattr(slurm_answer, "AGAIN", -1.0)
    monkeypatch.setattr(slurm_answer, "BRIEF", 0.05)
    assert asking.answer() == JOB and slurm.asked == 2
    monkeypatch.setattr(slurm_answer, "OLDEST", 0.0)
    with pytest.raises(NGFError, match="has not answered"):
        asking.answer()


def test_a_refusal_is_told_and_asked_again_later(slurm, tmp_path, monkeypatch):
    slurm.fails = True
    asking = Asking(tmp_path)
    for _ in range(2):
        with pytest.raises(NGFError, match="Slurm refused squeue"):
            asking.answer()
    assert slurm.asked == 1
    slurm.fails = False
    monkeypatch.setattr(slurm_answer, "AGAIN", -1.0)
    assert asking.answer() == JOB
