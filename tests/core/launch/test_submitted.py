"""What became of submitted runs, by their batches and a fake Slurm."""

import os
from dataclasses import replace

import pytest

from ngf_core.errors import RunError
from ngf_core.launch.batches import LOCAL, SLURM, Batch, batches, keep_batch, new_batch
from ngf_core.launch.submitted import Submitted, submitted
from ngf_core.runs.process import start_time
from tests.support.fake_slurm import FakeSlurm


def kept(folder, launcher, *runs: str, **entries) -> Batch:
    batch = replace(new_batch(launcher, runs), **entries)
    keep_batch(folder, batch)
    return batch


def test_a_batch_is_read_as_it_was_kept(tmp_path):
    batch = kept(tmp_path / "new", SLURM, "a", "b", job="17")
    assert batches(tmp_path / "new") == [batch]
    assert batches(tmp_path / "none") == []
    assert new_batch(SLURM, ()).name != new_batch(SLURM, ()).name


@pytest.mark.parametrize("text", ["{", "[]", '{"name": "x"}', '{"runs": 5}'])
def test_a_batch_that_cannot_be_read_is_not_passed_over(tmp_path, text):
    (tmp_path / "ngf-1.json").write_text(text)
    with pytest.raises(RunError, match="ngf-1.json cannot be read: it tells which runs were"):
        batches(tmp_path)


def test_jobs_that_wait_compute_ended_and_are_gone(tmp_path, fake_slurm: FakeSlurm):
    batch = kept(tmp_path, SLURM, "a", "b", "c", "d", job="17")
    fake_slurm.answers("squeue", "\n".join(f"{batch.name}|17|{place}|{state}|{why}" for
                                           place, state, why in (
        (0, "PENDING", "Resources"), (1, "RUNNING", "None"), (2, "OUT_OF_MEMORY", "None"))))
    assert submitted(tmp_path) == {
        "a": Submitted(True, True, "Job 17_0 is PENDING (Resources).", "17_0"),
        "b": Submitted(True, False, "Job 17_1 is RUNNING.", "17_1"),
        "c": Submitted(False, False, "Job 17_2 ended as OUT_OF_MEMORY.", "17_2"),
        "d": Submitted(False, False, "Job 17_3 is no longer in Slurm's queue.", "17_3")}


def test_jobs_whose_id_nobody_wrote_down_are_found_by_their_name(tmp_path, fake_slurm: FakeSlurm):
    batch = kept(tmp_path, SLURM, "a")
    assert submitted(tmp_path)["a"] == Submitted(False, False, "Slurm has no job for it.")
    fake_slurm.answers("squeue", f"{batch.name}|8|N/A|COMPLETING|None\n")
    assert submitted(tmp_path)["a"] == Submitted(True, False, "Job 8 is COMPLETING.", "8")


def test_the_last_submission_of_a_run_counts(tmp_path, fake_slurm: FakeSlurm):
    kept(tmp_path, SLURM, "a", "b", job="1", submitted="2026-01-01T00:00:00.000Z")
    batch = kept(tmp_path, SLURM, "b", job="2", submitted="2026-01-02T00:00:00.000Z")
    fake_slurm.answers("squeue", f"{batch.name}|2|N/A|PENDING|None\n")
    found = submitted(tmp_path)
    assert not found["a"].active and found["b"].active and found["b"].job == "2"


def test_a_local_batch_is_active_while_its_process_lives(tmp_path):
    me = os.getpid()
    kept(tmp_path, LOCAL, "a", pid=me, pid_started=start_time(me))
    kept(tmp_path, LOCAL, "b", pid=2**22 + 1, pid_started=1.0)
    kept(tmp_path, LOCAL, "c")
    found = submitted(tmp_path)
    assert found["a"].active and not found["b"].active and not found["c"].active
    assert {one.job for one in found.values()} == {""}
