"""The frame of a run of several processes, with the ranks pretended: what each writes and says."""

import os
import signal
from contextlib import contextmanager
from functools import cache
from types import SimpleNamespace

import pytest

from ngf_core.config import TrainConfig
from ngf_core.errors import NGFError
from ngf_core.execute import together, worker
from ngf_core.ranks import group
from ngf_core.ranks.torchrun import Place
from ngf_core.runs import RunWriter
from tests.support.fabricated_runs import make_run

NO_INTERFACE = "[gloo/transport/tcp/device.cc:84] Unable to find interface for: nothere"


def raising(error):
    """In the place of `all_ranks`: what goes wrong as soon as the ranks are to come together."""
    @contextmanager
    def all_ranks(*_):
        raise error
        yield
    return all_ranks


@pytest.fixture
def first(store, monkeypatch):
    """A waiting run, this process being the first of its two ranks; SIGTERM as `main` sets it."""
    monkeypatch.setattr(worker, "place", lambda: Place(0, 2, 1))
    monkeypatch.setattr(worker, "EXECUTES", {"train": "tests.support.pretended_work"})
    before = signal.signal(signal.SIGTERM, worker._stop)
    yield store.create(TrainConfig())
    signal.signal(signal.SIGTERM, before)


def test_why_the_ranks_lost_one_another_is_in_the_log(store, first, monkeypatch):
    monkeypatch.setattr(worker, "all_ranks", raising(RuntimeError(NO_INTERFACE)))
    assert worker.work(first, store) == 1
    assert first.message.startswith("One of the 2 processes that computed this run ended before")
    assert first.manifest["lacked"] == "process"
    assert NO_INTERFACE in (first.path / "log.txt").read_text()


def test_another_rank_says_why_it_ends(store, monkeypatch, capsys):
    run = make_run(store, "train", state="running")
    monkeypatch.setattr(together, "all_ranks", raising(RuntimeError(NO_INTERFACE)))
    assert together.follow(run, Place(1, 2, 1), {}) == 1
    assert capsys.readouterr().err == (
        f"Process 1 of 2 ends, since it does not reach the others: {NO_INTERFACE}\n")


def test_a_refusal_by_all_is_kept_where_torchrun_stops_the_first_as_it_writes(
        store, first, monkeypatch):
    monkeypatch.setattr(worker, "all_ranks", raising(NGFError("Training diverged.")))
    fail = RunWriter.fail

    def slow(writer, *what):
        os.kill(os.getpid(), signal.SIGTERM)
        fail(writer, *what)

    monkeypatch.setattr(RunWriter, "fail", slow)
    assert worker.work(first, store) == 1
    assert first.status() == ("failed", "Training diverged.")
    assert first.manifest["lacked"] is None


@pytest.mark.parametrize(("others", "says"), [
    (["AVX512 bf16", "AVX2"], ["The processors of this run are of several kinds (AVX2, AVX512 "]),
    (["AVX2", "AVX2"], [])])
def test_processors_of_several_kinds_are_told(monkeypatch, others, says):
    monkeypatch.setattr(group, "joined", cache(lambda: SimpleNamespace(each=lambda _: others)))
    told = []
    with together.all_ranks(told.append):
        assert [text[:len(start)] for text, start in zip(told, says, strict=True)] == says
