"""Real worker processes with pretended work: states, queue, cancel, death."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest
from filelock import FileLock

from app import jobs as page_jobs
from ngf_core.config import TrainConfig
from ngf_core.errors import NGFError, RunError
from ngf_core.execute import worker
from ngf_core.runs import DiskFull, Run, RunWriter, jobs
from ngf_core.runs.cores import threads_here
from tests.support import pretended_work
from tests.support.fabricated_runs import make_run
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("fake_worker")


def start(store, behaviour: int, epochs: int = 3) -> Run:
    return jobs.start(TrainConfig(seed=behaviour, epochs=epochs), store)


def ended(run: Run) -> Run:
    until(lambda: not run.live)
    return run


def log(run: Run) -> str:
    return (run.path / "log.txt").read_text()


def test_a_run_from_start_to_done(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = ended(start(store, pretended_work.QUICK))
    manifest = run.manifest
    assert (run.state, run.message, log(run)) == ("done", "", "")
    assert run.results["train"]["acc"] == {"hits": 99, "n": 100}
    assert run.points()["value"].tolist() == [1 / 3, 2 / 3, 1.0]
    assert manifest["threads"] >= 1 and manifest["pid"] != os.getpid()
    assert manifest["instructions"] == "False that torch is imported"
    assert set(manifest["files"]) == {"curves.parquet", "events.jsonl"}


def test_a_refusal_is_its_sentence(store):
    run = ended(start(store, pretended_work.REFUSES))
    assert (run.state, run.message) == ("failed", "The data set is empty. Choose another one.")
    assert "Traceback" not in log(run)


def test_the_unexpected_has_its_trace_in_the_log_alone(store):
    run = ended(start(store, pretended_work.BREAKS))
    assert run.message == ("Something unexpected happened (TypeError). "
                           f"The details are in log.txt of run {run.id}.")
    assert "Traceback" in log(run) and "secret detail" in log(run)
    assert "secret detail" not in (run.path / "events.jsonl").read_text()


def test_out_of_memory(store):
    run = ended(start(store, pretended_work.OUT_OF_MEMORY))
    assert run.state == "failed"
    assert run.message.startswith("Out of memory before its first step. Use a smaller batch or "
                                  "fewer samples")


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is set on Linux only")
def test_a_job_that_wants_more_than_its_memory_names_the_limit(store, monkeypatch):
    monkeypatch.setenv("NGF_JOB_MEMORY_GB", "1.5")
    run = ended(start(store, pretended_work.GREEDY))
    assert run.state == "failed"
    assert run.message == ("Out of memory before its first step. Use a smaller batch or fewer "
                           "samples, or raise the limit of 1.5 GB per job (NGF_JOB_MEMORY_GB), "
                           "and start again or go on.")


@pytest.mark.skipif(not hasattr(os, "getpriority"), reason="niceness is Unix's")
@pytest.mark.parametrize(("shared", "later"), [("1", 19), ("0", 0)])
def test_on_a_shared_server_a_job_comes_after_the_pages(store, monkeypatch, shared, later):
    monkeypatch.setenv("NGF_SHARED", shared)
    run = start(store, pretended_work.SLOW, epochs=400)
    until(lambda: run.state == "running")
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, run.manifest["pid"]) == min(19, own + later)
    run.cancel()
    ended(run)


@pytest.mark.parametrize(("error", "says"), [
    (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "Out of memory"),
    (type("OutOfMemoryError", (RuntimeError,), {})("CUDA"), "Out of memory"),
    (RuntimeError("shapes do not fit"), "Something unexpected happened (RuntimeError)"),
    (OSError(errno.ENOSPC, "full"), "The disk is full before its first step"),
    (OSError(errno.EACCES, "no"), "Something unexpected happened (PermissionError)"),
    (DiskFull("The disk is full: x."), "The disk is full: x."),
    (NGFError("Do this."), "Do this."),
])
def test_every_error_is_explained(store, error, says):
    assert worker.explain(error, store.create(TrainConfig())).startswith(says)


def test_a_worker_takes_only_a_waiting_run(store):
    run = make_run(store, "train")
    before = run.manifest
    command = [sys.executable, "-m", "tests.support.pretending_worker"]
    for folder, says in ((str(run.path), "is already done"),
                         (str(store.root / "none"), "There is no run none")):
        done = subprocess.run([*command, folder], capture_output=True, text=True, check=False)
        assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2
    assert run.manifest == before


def test_only_a_waiting_run_can_be_launched(store):
    for state in ("done", "running", "failed", "lost", "corrupt"):
        with pytest.raises(RunError, match=f"cannot be started: it is already {state}"):
            jobs.launch(make_run(store, "train", state=state))


def test_cancel_while_running_keeps_the_curves(store):
    run = start(store, pretended_work.SLOW, epochs=400)
    until(lambda: run.progress() is not None)
    pid = run.manifest["pid"]
    assert os.getsid(pid) == pid, "it would die with the terminal that started it"
    jobs.cancel(run).join()
    assert (run.state, run.manifest["state"]) == ("cancelled", "cancelled")
    assert run.message.startswith("Cancelled at step ") and " of 400" in run.message
    assert len(run.points()) == run.progress()["done"] > 0
    assert run.manifest["finished"]


def test_pause_and_resume(store):
    run = start(store, pretended_work.SLOW, epochs=30)
    until(lambda: run.progress() is not None)
    run.pause()
    assert run.paused

    def stands_still() -> bool:
        before = run.progress()["done"]
        time.sleep(8 * pretended_work.STEP)
        return run.progress()["done"] == before

    until(stands_still)
    assert run.state == "running" and run.progress()["done"] < 30
    run.resume()
    assert ended(run).state == "done" and run.progress()["done"] == 30


def test_cancel_while_paused(store):
    run = start(store, pretended_work.SLOW, epochs=400)
    until(lambda: run.progress() is not None)
    run.pause()
    jobs.cancel(run).join()
    assert run.state == "cancelled" and not run.paused


def test_sigterm_stops_one_that_does_not_look(store):
    run = start(store, pretended_work.DEAF, epochs=500)
    until(lambda: run.progress() is not None)
    jobs.cancel(run, term_after=0.2, kill_after=30).join()
    assert run.manifest["state"] == "cancelled" and len(run.points()) > 0


def test_sigkill_stops_one_that_will_not(store):
    run = start(store, pretended_work.STUBBORN, epochs=500)
    until(lambda: run.progress() is not None)
    jobs.cancel(run, term_after=0.1, kill_after=0.5).join()
    until(lambda: not run.live)
    assert run.state == "cancelled" and "curves until then are kept" in run.message
    assert run.manifest["state"] == "running"


def test_a_killed_worker_is_lost_and_can_be_started_again(store):
    run = start(store, pretended_work.SLOW, epochs=400)
    until(lambda: run.progress() is not None)
    os.kill(run.manifest["pid"], signal.SIGKILL)
    until(lambda: not run.live)
    assert run.state == "lost"
    assert run.message.startswith("The worker died at step ")
    assert run.message.endswith(" of 400; the curves until then are kept. Let it go on, or "
                                "start it again.")
    assert len(run.points()) > 0
    again = jobs.restart(run, store)
    assert again.config == run.config and again.id != run.id
    jobs.cancel(again).join()
    run.delete()
    assert store.list() == [again]


def test_the_second_waits_for_the_first_and_the_third_for_both(store):
    first = start(store, pretended_work.SLOW, epochs=400)
    until(lambda: first.state == "running")
    second, third = start(store, pretended_work.QUICK), start(store, pretended_work.QUICK)
    until(lambda: second.message == "Place 1 of 2.")
    until(lambda: third.message == "Place 2 of 2.")
    assert second.state == third.state == "queued"
    assert jobs.live(store) == [first, second, third]
    os.kill(first.manifest["pid"], signal.SIGKILL)
    assert ended(third).state == ended(second).state == "done"
    assert second.manifest["finished"] <= third.manifest["started"]


def test_turns_go_round_between_browsers(store):
    first = jobs.start(TrainConfig(seed=pretended_work.SLOW, epochs=400), store, "a")
    until(lambda: first.state == "running")
    of_a, of_b, of_b_too = (
        jobs.start(TrainConfig(seed=pretended_work.QUICK, epochs=epochs), store, browser)
        for browser, epochs in (("a", 1), ("b", 2), ("b", 3)))
    expected = [of_b, of_a, of_b_too]
    until(lambda: [run.message for run in expected] == [f"Place {i} of 3." for i in (1, 2, 3)])
    jobs.cancel(first).join()
    began = [ended(run).manifest["started"] for run in expected]
    assert began == sorted(began)


def test_as_many_compute_at_once_as_the_setting_says(store, monkeypatch):
    monkeypatch.setenv("NGF_MAX_JOBS", "2")
    runs = [start(store, pretended_work.SLOW, epochs=400) for _ in range(3)]
    until(lambda: [run.state for run in runs] == ["running", "running", "queued"])
    until(lambda: runs[2].message == "Place 1 of 1.")
    jobs.cancel(runs[0]).join()
    until(lambda: runs[2].state == "running")
    assert runs[1].state == "running"
    for stopping in [jobs.cancel(run) for run in runs[1:]]:
        stopping.join()


def test_a_waiting_run_can_be_cancelled(store):
    first = start(store, pretended_work.SLOW, epochs=400)
    until(lambda: first.state == "running")
    second, third = start(store, pretended_work.QUICK), start(store, pretended_work.QUICK)
    until(lambda: second.message != "")
    jobs.cancel(second).join()
    assert (second.state, second.message) == ("cancelled", "Cancelled before its first step.")
    until(lambda: third.message == "Place 1 of 1.")
    jobs.cancel(first).join()
    assert ended(third).state == "done"


def test_the_queue_respects_a_lock_held_by_something_else(store):
    store.root.mkdir()
    with FileLock(store.root / ".lock"):
        run = start(store, pretended_work.QUICK)
        until(lambda: run.message == "Place 1 of 1.")
    assert ended(run).state == "done"


@pytest.mark.parametrize(("asked", "threads"), [("3", 3), ("2,1", 2), ("", None), ("0", None),
                                                ("many", None)])
def test_threads_are_those_asked_for_or_one_a_core(asked, threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert threads_here() == (threads or len(os.sched_getaffinity(0)))


def test_a_run_nobody_started_holds_nobody_up_and_can_be_cancelled(store):
    idle = store.create(TrainConfig())
    assert ended(start(store, pretended_work.QUICK)).state == "done"
    assert idle.state == "queued"
    jobs.cancel(idle).join()
    assert idle.state == "cancelled"
    with pytest.raises(RunError, match="cannot be started: it is already cancelled"):
        jobs.launch(idle)


def test_a_worker_that_dies_at_once_is_lost(store, monkeypatch):
    monkeypatch.setattr(jobs, "WORKER", (sys.executable, "-c", "raise SystemExit('no torch')"))
    run = ended(start(store, pretended_work.QUICK))
    assert (run.state, run.message) == ("lost", "The worker died before its first step. "
                                                "Let it go on, or start it again.")
    assert "no torch" in log(run)


def test_a_full_disk_fails_the_run(store, monkeypatch):
    run = store.create(TrainConfig())

    def no_room(self, *_arguments, **_options):
        raise DiskFull("The disk is full: events.jsonl could not be written.")

    monkeypatch.setattr(worker, "EXECUTES", {"train": "tests.support.pretended_work"})
    monkeypatch.setattr(RunWriter, "point", no_room)
    assert worker.work(run, store) == 1
    assert (run.state, run.message) == (
        "failed", "The disk is full: events.jsonl could not be written.")


def test_pages_start_and_stop_runs_of_the_default_store(store, monkeypatch):
    monkeypatch.setenv("NGF_RUNS", str(store.root))
    run = page_jobs.start(TrainConfig(seed=pretended_work.SLOW, epochs=400), "here")
    assert run.path.parent == store.root
    until(lambda: page_jobs.live(store) == [run] and run.state == "running")
    page_jobs.cancel(run, "here")
    ended(run)
    assert page_jobs.live(store) == []
    done = make_run(store, "train", seed=pretended_work.QUICK)
    assert ended(page_jobs.restart(done, "here")).state == "done"


def test_frame_and_jobs_do_without_torch():
    code = ("import sys, app.jobs, ngf_core.execute.worker, ngf_core.cli.main; "
            "print([m for m in ('torch', 'pandas', 'streamlit') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
