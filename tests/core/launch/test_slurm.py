"""What is submitted to Slurm, with a fake sbatch; what a job does; what is refused before."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ngf_core.errors import ConfigError, NGFError
from ngf_core.launch import slurm
from ngf_core.launch.batches import batches
from ngf_core.launch.launcher import Command, Task
from ngf_core.launch.settings import LaunchSettings
from ngf_core.launch.slurm import Job, SlurmLauncher
from tests.support.fake_slurm import FakeSlurm
from tests.support.waiting import until


def task(run_id: str, *needs: str) -> Task:
    return Task(run_id, Command(("true",), Path("log")), needs)


def options(script: str) -> dict[str, str]:
    """The options of a batch script."""
    return dict(re.findall(r"#SBATCH --([a-z-]+)=?(.*)", script))


def test_an_array_with_what_was_asked_for(fake_slurm: FakeSlurm, tmp_path):
    launcher = SlurmLauncher(LaunchSettings(
        launcher="slurm", cores=4, partition="big", gpus=1, minutes=30, array_parallelism=2,
        sbatch="account=lab, --exclusive"))
    assert launcher.submit([[task("a"), task("b"), task("c")]], tmp_path) == (
        "Submitted 3 tasks, as job 17.")
    (batch,) = batches(tmp_path)
    assert (batch.runs, batch.job, batch.launcher) == (("a", "b", "c"), "17", "slurm")
    script = fake_slurm.given()
    asked = options(script)
    assert {name: asked[name] for name in (
        "job-name", "array", "partition", "time", "cpus-per-task", "gpus-per-node", "account",
        "exclusive", "requeue", "signal")} == {
        "job-name": batch.name, "array": "0-2%2", "partition": "big", "time": "30",
        "cpus-per-task": "4", "gpus-per-node": "1", "account": "lab", "exclusive": "",
        "requeue": "", "signal": "USR2@60"}
    assert "export OMP_NUM_THREADS=4\n" in script and "export PYTHONPATH=" in script
    assert "dependency" not in asked


def test_a_stage_waits_for_those_it_needs_and_for_nothing_else(fake_slurm: FakeSlurm, tmp_path):
    launcher = SlurmLauncher(LaunchSettings(launcher="slurm"))
    launcher.submit([[task("a")], [task("other")]], tmp_path)
    first, second = (batch.name for run in ("a", "other") for batch in batches(tmp_path)
                     if batch.runs == (run,))
    fake_slurm.answers("squeue", f"{first}|17|N/A|RUNNING|None\n{second}|18|N/A|PENDING|None\n")
    (fake_slurm.folder / "given").unlink()
    launcher.submit([[task("b", "a", "long done")]], tmp_path)
    assert options(fake_slurm.given())["dependency"] == "afterany:17"
    fake_slurm.answers("squeue", f"{first}|17|N/A|COMPLETED|None\n")
    (fake_slurm.folder / "given").unlink()
    launcher.submit([[task("c", "a")]], tmp_path)
    assert "dependency" not in options(fake_slurm.given())


def test_more_tasks_than_an_array_may_have(fake_slurm: FakeSlurm, tmp_path, monkeypatch):
    monkeypatch.setattr(slurm, "MOST", 2)
    said = SlurmLauncher(LaunchSettings(launcher="slurm")).submit(
        [[task(name) for name in "abcde"]], tmp_path)
    assert said == "Submitted 5 tasks, as jobs 17, 17, 17."
    assert sorted(len(batch.runs) for batch in batches(tmp_path)) == [1, 2, 2]


def test_a_refusal_of_sbatch_is_a_sentence(fake_slurm: FakeSlurm, tmp_path):
    fake_slurm.answers("sbatch", error="sbatch: error: invalid account\n", code=1)
    with pytest.raises(NGFError, match="Slurm refused to take the jobs: .*invalid account"):
        SlurmLauncher(LaunchSettings(launcher="slurm")).submit([[task("a")]], tmp_path)


@pytest.mark.parametrize(("asked", "seconds", "said"), [
    ({"partition": "gpu"}, 0, "partition: there is no partition gpu. This cluster has big, cpu."),
    ({"minutes": 1441}, 0, "minutes: 1441 are more than the partition allows. Use at most 1440,"),
    ({"cores": 17}, 0, "cores: the partition's nodes have 16 cores, and not 17."),
    ({"gpus": 1}, 0, "gpus: no node of the partition has a GPU."),
    ({"partition": "big", "gpus": 8}, 0, "gpus: the partition's nodes have 4, and not 8."),
    ({"minutes": 10}, 601, "minutes: a cell needs about 10.0 minutes without a stop, and a job may "
                           "take 10. Use --minutes 21, twice as many.")])
def test_what_cannot_fit_is_refused(fake_slurm: FakeSlurm, asked, seconds, said):
    with pytest.raises(ConfigError) as caught:
        SlurmLauncher(LaunchSettings(launcher="slurm", **asked)).refuse(seconds)
    assert str(caught.value).startswith(said)
    assert not fake_slurm.asked("sbatch")


def test_nodes_that_have_each_but_not_all_at_once(fake_slurm: FakeSlurm):
    fake_slurm.answers("sinfo", "mix*|infinite|64|(null)\nmix*|infinite|8|gpu:2\n")
    asking = {"launcher": "slurm", "gpus": 1}
    with pytest.raises(ConfigError, match="no node of it has 9 cores and 1 GPUs for 120 minutes"):
        SlurmLauncher(LaunchSettings(cores=9, **asking)).refuse(0)
    SlurmLauncher(LaunchSettings(cores=8, **asking)).refuse(0)


@pytest.mark.parametrize(("gres", "count"), [
    ("(null)", 0), ("gpu", 1), ("gpu:2", 2), ("gpu:a100", 1), ("gpu:a100:4(S:0-1)", 4),
    ("gpu:2,gpu:v100:1", 3), ("shard:8,gpu:h200:8(S:0-1)", 8)])
def test_gpus_as_sinfo_prints_them(gres, count):
    assert slurm._gpus(gres) == count


@pytest.mark.parametrize("asked", [{}, {"minutes": 1440, "cores": 16},
                                   {"partition": "big", "gpus": 4, "cores": 64,
                                    "minutes": 100_000}])
def test_what_fits_is_not(fake_slurm: FakeSlurm, asked):
    SlurmLauncher(LaunchSettings(launcher="slurm", **asked)).refuse(60)


@pytest.mark.parametrize(("limit", "minutes"), [
    ("infinite", float("inf")), ("30:00", 30), ("12:00:00", 720), ("7-00:00:00", 10080),
    ("1-02:30:00", 1590), ("2-12", 3600)])
def test_time_limits_as_sinfo_prints_them(limit, minutes):
    assert slurm._minutes(limit) == minutes


def test_without_submitit(fake_slurm: FakeSlurm, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(NGFError, match=r"need the package submitit. Install it with `pip install"):
        SlurmLauncher(LaunchSettings(launcher="slurm")).refuse(0)


# ---- the job


def job_of(folder: Path, program: str) -> Job:
    return Job(Command((sys.executable, "-c", program), folder / "log"))


def test_a_job_starts_the_worker_with_its_id(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "99")
    told = "import os; print(os.environ['NGF_JOB'])"
    job_of(tmp_path, told)()
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "17")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    job_of(tmp_path, told)()
    assert (tmp_path / "log").read_text() == "99\n17_3\n"


@pytest.mark.parametrize(("program", "code"), [
    ("raise SystemExit(1)", 1), ("import os; os.kill(os.getpid(), 9)", 137)])
def test_a_job_ends_as_its_worker_did(tmp_path, monkeypatch, program, code):
    monkeypatch.setenv("SLURM_JOB_ID", "99")
    with pytest.raises(SystemExit) as caught:
        job_of(tmp_path, program)()
    assert caught.value.code == code


def test_a_job_that_is_stopped_takes_its_worker_along(tmp_path):
    (tmp_path / "stopped.py").write_text(f"""
import signal, sys
from pathlib import Path
from ngf_core.launch.launcher import Command
from ngf_core.launch.slurm import Job
signal.signal(signal.SIGUSR2, lambda *_: sys.exit(3))
says = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
Job(Command((sys.executable, "-c", says), Path({str(tmp_path / 'log')!r})))()
""")
    job = subprocess.Popen((sys.executable, tmp_path / "stopped.py"),
                           env=os.environ | {"SLURM_JOB_ID": "1", "PYTHONPATH": os.getcwd()})
    log = tmp_path / "log"
    until(lambda: log.exists() and log.read_text().endswith("\n"))
    worker = int(log.read_text())
    os.kill(worker, signal.SIGUSR2)  # Slurm warns all processes, in any order
    time.sleep(0.3)
    assert job.poll() is None and Path(f"/proc/{worker}").exists()
    job.send_signal(signal.SIGUSR2)
    assert job.wait(30) == 3
    assert not Path(f"/proc/{worker}").exists()


def test_a_job_that_starts_again_does_the_same(tmp_path):
    job = job_of(tmp_path, "pass")
    assert job.checkpoint().function == job
