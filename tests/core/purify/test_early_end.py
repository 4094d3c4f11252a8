"""A limit of seconds: every phase has its share, and what was learned until then is applied."""

import itertools
import time
from dataclasses import replace

import pytest
import torch

from ngf_core.purify.method import purifier
from ngf_core.purify.registry import PURIFIERS
from ngf_core.purify.step import Step, is_last, part_of
from tests.support.planted_backdoor import BAD, coloured_set, planted, rates
from tests.support.tiny_models import asked, settings

CLEAN = coloured_set()
EXACT = {"batchnorm": "frozen", "augment": "none", "batch_size": 64}


@pytest.fixture(autouse=True)
def one_second_a_look(monkeypatch):
    """A clock that shows one more second whenever it is read, so a measured span lasts one."""
    ticks = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(ticks)))


def run(name: str, model, **changes: object) -> list[Step]:
    """The steps up to the one at which a race would end it, which is what it yields last."""
    own, config = asked(name, **EXACT | changes)
    steps = []
    for step in purifier(name)(model, CLEAN, own, config):
        steps.append(step)
        if 0 < config.seconds <= step.seconds:
            break
    return steps


def test_the_last_step_is_the_one_that_nothing_follows():
    config = settings(steps=10, seconds=5.0)
    assert is_last(Step(10, 0.0, 1.0), config) and not is_last(Step(9, 0.0, 1.0), config)
    assert is_last(Step(8, 0.0, 1.0), config, 3) and not is_last(Step(7, 0.0, 1.0), config, 3)
    assert is_last(Step(1, 0.0, 5.0), config) and not is_last(Step(1, 0.0, 4.9), config)
    assert not is_last(Step(1, 0.0, 99.0), replace(config, seconds=0.0))
    part = part_of(config, 0.2, 3)
    assert (part.steps, part.seconds) == (3, 1.0) and part_of(part, 0.5, 1).seconds == 0.5


@pytest.mark.parametrize(("name", "seconds"), [("anp", 18.0), ("rnp", 60.0)])
def test_masks_that_were_learned_in_time_are_applied(name, seconds):
    model = planted()
    *before, last = run(name, model, steps=3000, seconds=seconds)
    assert last.step < 200 and {s.found for s in before} == {None}
    assert BAD in last.found["cut"]["bn2"]
    accuracy, success = rates(model)
    assert accuracy > 0.9 and success < 0.2


def test_half_of_the_time_is_for_the_curve():
    model = planted()
    *before, last = run("mcr", model, steps=2000, seconds=20.0)
    assert last.seconds >= 20 and {s.found for s in before} == {None}
    assert last.found["t"] > 0 and last.found["accuracy"]
    assert not torch.equal(model.linear.weight, planted().linear.weight)


@pytest.mark.parametrize(("name", "found"), [
    ("rnp", {"cut": {}, "unlearning_passes": 1}),
    ("mcr", {"t": 0.0, "accuracy": {}})])
def test_without_time_for_more_than_one_update_it_says_what_that_came_to(name, found):
    model = planted()
    (only,) = run(name, model, steps=2000, seconds=0.5)
    assert only.found == found
    assert torch.equal(model.bn2.weight, planted().bn2.weight)


def test_neural_cleanse_judges_when_its_share_of_the_time_is_over():
    steps = run("neural_cleanse", planted(), steps=2000, seconds=100.0,
                share=0.3)
    judged = [s for s in steps if s.found is not None]
    assert 30 <= judged[0].seconds < 33 and judged[0].found["norms"]
    if judged[0].found["flagged"]:
        assert judged[-1].seconds >= 100


def test_the_student_of_nad_has_what_the_teacher_leaves():
    model = planted()
    steps = run("nad", model, steps=3000, seconds=30.0, beta1=1, beta2=1, beta3=1)
    assert not torch.equal(model.linear.weight, planted().linear.weight)
    updates = [b.step - a.step for a, b in zip(steps, steps[1:])]
    assert updates.count(1) >= 8 and 2 in updates, "no update of the student, which is 4/3 passes"


@pytest.mark.parametrize("name", [n for n, entry in PURIFIERS.items() if not entry.data_free])
def test_a_limit_that_is_never_reached_changes_nothing(name):
    free, limited = planted(), planted()
    ours, theirs = run(name, free, steps=16), run(name, limited, steps=16, seconds=86400.0)
    assert [replace(s, seconds=0) for s in ours] == [replace(s, seconds=0) for s in theirs]
    assert all(torch.equal(v, limited.state_dict()[k]) for k, v in free.state_dict().items())
