"""Jobs by the names of their batches: squeue for those that live, sacct for why others ended."""

import pytest

from ngf_core.errors import NGFError
from ngf_core.launch import slurm_queue
from ngf_core.launch.slurm_queue import SlurmJob, jobs
from tests.support.fake_slurm import FakeSlurm

# As a real Slurm of version 22.05 printed it.
SQUEUE = """\
ngf-a|2|1|RUNNING|None
ngf-a|2|0|CANCELLED|None
ngf-b|3|N/A|PENDING|Dependency
"""
SACCT = """\
ngf-a|2_0|CANCELLED by 0
ngf-a|2_1|RUNNING
ngf-a|2_2|TIMEOUT
ngf-a|2_[3-4,6%2]|CANCELLED by 0
ngf-a|2_[7-8]|PENDING
ngf-b|3|PREEMPTED
"""


def test_without_accounts_squeue_alone_answers(fake_slurm: FakeSlurm):
    fake_slurm.answers("squeue", SQUEUE)
    found = jobs(["ngf-b", "ngf-a", "ngf-a"])
    assert found == {("ngf-a", 1): SlurmJob("2_1", "RUNNING", "None"),
                     ("ngf-a", 0): SlurmJob("2_0", "CANCELLED", "None"),
                     ("ngf-b", 0): SlurmJob("3", "PENDING", "Dependency")}
    assert [job.ended for job in found.values()] == [False, True, False]
    assert len(fake_slurm.asked("sacct")) == 1
    assert "--name=ngf-a,ngf-b" in fake_slurm.asked("squeue")[0]


def test_sacct_tells_why_one_ended_that_squeue_forgot(fake_slurm: FakeSlurm):
    fake_slurm.answers("squeue", "ngf-b|3|N/A|PENDING|BeginTime\n")
    fake_slurm.answers("sacct", SACCT)
    found = jobs(["ngf-a", "ngf-b"])
    assert found["ngf-a", 2] == SlurmJob("2_2", "TIMEOUT")
    assert found["ngf-a", 0].state == "CANCELLED"
    # What only sacct has as alive has left the queue: its record was never closed.
    assert ("ngf-a", 1) not in found and ("ngf-a", 7) not in found
    # Cancelled before they were started, all in one row.
    assert {place for name, place in found if name == "ngf-a"} == {0, 2, 3, 4, 6}
    assert found["ngf-a", 4] == SlurmJob("2_4", "CANCELLED")
    assert found["ngf-b", 0].state == "PENDING", "put back into the queue after it was preempted"


@pytest.mark.parametrize("first", [0, 1])
def test_the_cancelled_rest_of_an_array_is_not_its_first_job(fake_slurm: FakeSlurm, first):
    """As a real Slurm prints it after `scancel --state=PENDING`, in either order."""
    rows = ["ngf-a|1|N/A|CANCELLED|None\n", "ngf-a|1|0|RUNNING|None\n"]
    fake_slurm.answers("squeue", rows[first] + rows[1 - first])
    assert jobs(["ngf-a"]) == {("ngf-a", 0): SlurmJob("1_0", "RUNNING", "None")}


def test_nothing_submitted_asks_nobody(fake_slurm: FakeSlurm):
    assert jobs([]) == {} and not fake_slurm.asked("squeue") and not fake_slurm.asked("sacct")


def test_a_slurm_that_refuses(fake_slurm: FakeSlurm):
    fake_slurm.answers("squeue", error="slurm_load_jobs error: Unable to contact\n", code=1)
    with pytest.raises(NGFError, match="Slurm refused squeue: slurm_load_jobs error: Unable to"):
        jobs(["ngf-a"])


def test_a_slurm_that_does_not_answer(fake_slurm: FakeSlurm, monkeypatch):
    monkeypatch.setattr(slurm_queue, "PATIENCE", 0.2)
    fake_slurm.answers("squeue", seconds=5)
    with pytest.raises(NGFError, match="Slurm did not answer: squeue took longer than 0.2 s"):
        jobs(["ngf-a"])


def test_no_slurm_here(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NGFError, match="There is no command squeue here. Use a login node"):
        jobs(["ngf-a"])
