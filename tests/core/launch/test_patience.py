"""A Slurm that is silent for a while is asked again."""

from types import SimpleNamespace

import pytest

from ngf_core.errors import RunError
from ngf_core.launch import patience
from ngf_core.launch.patience import patiently
from ngf_core.launch.slurm_queue import SlurmSilent, jobs
from tests.support.fake_slurm import FakeSlurm


@pytest.fixture
def clock(monkeypatch):
    """Time that passes by sleeping alone; what was slept."""
    slept = []
    # The module's own name for it: subprocess keeps the real time.
    monkeypatch.setattr(patience, "time", SimpleNamespace(monotonic=lambda: sum(slept),
                                                          sleep=slept.append))
    return slept


def test_it_is_asked_again_until_it_answers(clock):
    answers = [SlurmSilent("no"), SlurmSilent("no"), "yes"]

    def look():
        answer = answers.pop(0)
        if isinstance(answer, SlurmSilent):
            raise answer
        return answer

    assert patiently(look) == "yes" and clock == [patience.PAUSE] * 2


def test_at_last_its_error_is_raised(clock, fake_slurm: FakeSlurm):
    fake_slurm.answers("squeue", error="Unable to contact slurm controller", code=1)
    with pytest.raises(SlurmSilent, match="Slurm refused squeue: Unable to contact"):
        patiently(lambda: jobs(["ngf-a"]))
    assert patience.PATIENT < sum(clock) <= patience.PATIENT + 2 * patience.PAUSE


def test_another_error_is_raised_at_once(clock):
    def look():
        raise RunError("ngf-1.json cannot be read.")

    with pytest.raises(RunError):
        patiently(look)
    assert not clock
