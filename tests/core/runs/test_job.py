"""Runs of a cluster's jobs: alive until somebody strikes the job out."""

import os

import pytest

from ngf_core.config import TrainConfig
from ngf_core.runs import ManifestReadings, jobs
from ngf_core.runs.job import Struck, names_job, note_job, strike_job
from ngf_core.runs.manifest import change_manifest, read_manifest
from ngf_core.runs.process import start_time
from ngf_core.runs.resuming import requeue

GONE = {"pid": 2**22 + 1, "pid_started": 1.0}


@pytest.fixture
def run(store):
    run = store.create(TrainConfig())
    note_job(run, "17_3")
    return run


def test_it_counts_as_alive_whatever_processes_there_are_here(run):
    assert run.status() == ("queued", "Job 17_3 of the cluster.")
    change_manifest(run.path, state="running", **GONE)
    assert run.status() == ("running", "Job 17_3 of the cluster.") and run.live


def test_without_its_job_it_is_lost_and_can_go_on(run):
    here = os.getpid()  # the worker's number may be in use here
    change_manifest(run.path, state="running", pid=here, pid_started=start_time(here))
    strike_job(run, "17_3")
    assert run.state == "lost" and run.manifest["job"] is None
    requeue(run)
    assert run.state == "queued"


def test_one_that_waited_waits_for_a_worker(run):
    strike_job(run, "17_3")
    assert run.status() == ("queued", "") and run.manifest["pid"] is None


@pytest.mark.parametrize("entries", [{"state": "done"}, {"state": "failed"}, {"job": "18_0"}])
def test_a_job_is_not_struck_from_what_is_no_longer_its(run, entries):
    change_manifest(run.path, **entries)
    before = read_manifest(run.path)
    strike_job(run, "17_3")
    assert read_manifest(run.path) == before


def test_what_striking_would_do_can_be_seen_before(run):
    assert names_job(run, "17_3") and not names_job(run, "17_4")
    assert Struck(run, "17_4").status() == run.status()
    change_manifest(run.path, state="running", **GONE)
    before = read_manifest(run.path)
    foreseen = Struck(run, "17_3").status()
    assert foreseen[0] == "lost" and read_manifest(run.path) == before
    strike_job(run, "17_3")
    assert run.status() == foreseen and not names_job(run, "17_3")


def test_one_that_goes_on_here_has_no_job(run):
    change_manifest(run.path, state="failed", lacked="disk", **GONE)
    requeue(run)
    assert run.manifest["job"] is None


def test_cancelling_signals_no_process_of_this_machine(run, monkeypatch):
    sent = []
    monkeypatch.setattr(jobs, "_signal_group", lambda pid, number: sent.append(pid))
    here = os.getpid()
    change_manifest(run.path, state="running", pid=here, pid_started=start_time(here))
    jobs.cancel(run, term_after=0.0, kill_after=0.0).join()
    assert (run.path / "cancel").exists() and run.live and sent == []


def test_it_takes_no_slot_here(run, store):
    change_manifest(run.path, state="running", started="2026-01-01T00:00:00Z", **GONE)
    mine = store.create(TrainConfig(seed=1))
    here = os.getpid()
    change_manifest(mine.path, pid=here, pid_started=start_time(here))
    assert jobs._standing(mine, ManifestReadings())[:2] == (1, 1)
