"""Tasks that a command hands out and waits for: each once, and why one failed."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock

from ngf_core.errors import RunError
from ngf_core.launch import carrying_out, patience
from ngf_core.launch.batches import SLURM, batches, keep_batch, new_batch
from ngf_core.launch.carrying_out import carry_out
from ngf_core.launch.launcher import Command, Task
from ngf_core.launch.local import LocalLauncher
from ngf_core.launch.logs import log_of
from ngf_core.launch.settings import LaunchSettings
from ngf_core.launch.slurm import SlurmLauncher
from tests.support.fake_slurm import FakeSlurm


def task(folder: Path, name: str, code: str = "pass") -> Task:
    """A task that writes a file of its name, unless its code ends before."""
    code = f"{code}; open({str(folder / name)!r}, 'a').write('x')"
    return Task(name, Command((sys.executable, "-c", code), log_of(folder / "kept", name)))


def test_all_are_computed_and_the_failed_ones_tell_why(tmp_path):
    (tmp_path / "kept").mkdir()
    tasks = [task(tmp_path, "a"), task(tmp_path, "b", "import sys; sys.exit('No number here.')"),
             task(tmp_path, "c", "import os; os._exit(3)")]
    tasks[2].command.log.parent.mkdir()
    tasks[2].command.log.write_text("What an earlier worker said.\n")
    failed = carry_out([tasks[:1], tasks[1:]], lambda one: (tmp_path / one.name).exists(),
                       LocalLauncher(workers=1), tmp_path / "kept")
    assert failed == {"b": "No number here.", "c": "The process that was to compute it has ended."}
    assert (tmp_path / "a").read_text() == "x"


def test_nothing_to_do_writes_nothing(tmp_path):
    assert carry_out([[], []], lambda one: False, LocalLauncher(), tmp_path / "kept") == {}
    assert not (tmp_path / "kept").exists()


def test_one_at_a_time_hands_out(tmp_path):
    (tmp_path / "kept").mkdir()
    with FileLock(tmp_path / "kept" / ".lock"), pytest.raises(RunError, match="Another process"):
        carry_out([[task(tmp_path, "a")]], lambda one: False, LocalLauncher(), tmp_path / "kept")
    assert not (tmp_path / "a").exists()


def test_what_a_job_computes_is_waited_for_and_not_submitted_again(tmp_path, monkeypatch,
                                                                   fake_slurm: FakeSlurm):
    kept = tmp_path / "kept"
    batch = replace(new_batch(SLURM, ["a", "b"]), job="17")
    keep_batch(kept, batch)
    tasks = [task(tmp_path, name) for name in "abc"]
    tasks[0].command.log.parent.mkdir()
    tasks[0].command.log.write_text("What its worker says.\n")
    looks = []

    def jobs_end(seconds: float) -> None:
        looks.append(seconds)
        newest = batches(kept)[-1].name
        fake_slurm.answers("squeue", f"{batch.name}|17|0|COMPLETED|None\n"
                                     f"{batch.name}|17|1|CANCELLED|None\n"
                                     f"{newest}|17|0|OUT_OF_MEMORY|None\n")
        (tmp_path / "a").touch()

    monkeypatch.setattr(carrying_out, "time", SimpleNamespace(sleep=jobs_end))
    fake_slurm.answers("squeue", f"{batch.name}|17|0|RUNNING|None\n"
                                 f"{batch.name}|17|1|PENDING|Priority\n")
    failed = carry_out([tasks], lambda one: (tmp_path / one.name).exists(),
                       SlurmLauncher(LaunchSettings(launcher="slurm")), kept)
    assert looks == [carrying_out.LOOK]
    assert [one.runs for one in batches(kept)] == [("a", "b"), ("c",)]
    assert len(fake_slurm.asked("sbatch")) == 1
    assert tasks[0].command.log.read_text() == "What its worker says.\n"
    assert failed == {"b": "Job 17_1 ended as CANCELLED.", "c": "Job 17_0 ended as OUT_OF_MEMORY."}


def test_a_queue_that_is_silent_after_submitting_is_asked_again(tmp_path, monkeypatch,
                                                                fake_slurm: FakeSlurm):
    """The controller is busiest just then; once it answers, the job has ended."""
    kept, slept = tmp_path / "kept", []

    class Launcher(SlurmLauncher):
        def submit(self, stages, folder):
            said = super().submit(stages, folder)
            fake_slurm.answers("squeue", error="Unable to contact slurm controller", code=1)
            return said

    def it_answers(seconds: float) -> None:
        slept.append(seconds)
        fake_slurm.answers("squeue", f"{batches(kept)[-1].name}|17|0|COMPLETED|None\n")
        (tmp_path / "a").touch()

    monkeypatch.setattr(patience, "time", SimpleNamespace(monotonic=lambda: sum(slept),
                                                          sleep=it_answers))
    assert carry_out([[task(tmp_path, "a")]], lambda one: (tmp_path / one.name).exists(),
                     Launcher(LaunchSettings(launcher="slurm")), kept) == {}
    assert slept == [patience.PAUSE]
