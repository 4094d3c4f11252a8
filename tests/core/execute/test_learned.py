"""What an attack learned stays with its runs, so that nothing has to be trained twice."""

import numpy as np
import pytest
import torch

from ngf_core.attacks import ATTACKS
from ngf_core.attacks.attack import attack_class
from ngf_core.data.dataset import load_dataset
from ngf_core.errors import ConfigError, RunError
from ngf_core.evaluate.test_set import build_test_set, evaluate
from ngf_core.execute import zoo
from ngf_core.execute.standing import is_current
from ngf_core.trained.load import attack_of, learned_attack, load_trained, poisoned_set
from tests.support.small_attacks import hurried
from tests.support.tiny_runs import made, purify_config, train_config

LEARNERS = [name for name in ATTACKS if attack_class(name).learns]


def in_a_hurry(name: str) -> str:
    return ",".join(f"{key}={value:g}" for key, value in hurried(name).items())


@pytest.fixture(scope="module", params=LEARNERS)
def learned(request, runs):
    return made(train_config(attack=request.param, parameters=in_a_hurry(request.param)), runs)


def test_a_run_tells_its_trigger(runs, learned):
    assert (learned.state, learned.message) == ("done", "")
    source = load_trained(learned.id, runs)
    assert source.attack.ready and source.attack.learned
    shown = learned.arrays("samples")
    again = source.attack.trigger(torch.from_numpy(shown["clean"]))
    assert np.array_equal(again, shown["triggered"])
    test = build_test_set(source.dataset.test, source.attack)
    assert evaluate(source.models["before"], test).to_json() == learned.results["train"]


def test_the_poisoned_set_is_built_again(learned):
    dataset = load_dataset("signs")
    attack = learned_attack(attack_of(learned.config, dataset), learned)
    one, two = poisoned_set(learned), poisoned_set(learned)
    assert torch.equal(one.images.x, two.images.x)
    assert one.indices.tolist() == learned.arrays("poison")["indices"][-1].tolist()
    changed = (one.images.x != dataset.train.x).flatten(1).any(1).nonzero().flatten()
    assert len(changed) and set(changed.tolist()) <= set(one.indices.tolist())
    if attack.label_mode == "all-to-all":
        assert torch.equal(one.images.y[one.indices], (dataset.train.y[one.indices] + 1) % 10)
    else:
        assert set(one.images.y[one.indices].tolist()) == {attack.target}


def test_a_race_carries_the_trigger_with_it(runs, learned):
    race = made(purify_config(learned, "sgd", steps=1), runs)
    assert race.state == "done"
    shown, before = race.arrays("samples"), learned.arrays("samples")
    assert np.array_equal(shown["triggered"], before["triggered"])
    assert race.has("attack") and load_trained(race.id, runs).attack.ready


def test_what_was_poisoned_is_what_is_built_again(runs, backdoored):
    from ngf_core.attacks.control import Control

    dataset = load_dataset("signs")
    control = Control(attack_of(backdoored.config, dataset), dataset.train,
                      torch.Generator().manual_seed(backdoored.config.seed))
    trained_on = control.epoch(0, None)
    assert torch.equal(poisoned_set(backdoored).images.x, trained_on.images.x)


def test_only_poisoned_sets_can_be_built_again(benign, backdoored):
    with pytest.raises(RunError, match="poisoned no images. Name a train run with an attack"):
        poisoned_set(benign)
    with pytest.raises(RunError, match="has 1 poisoned sets; there is no number 1"):
        poisoned_set(backdoored, 1)


def test_changed_parameters_reach_the_trigger(runs):
    run = made(train_config(attack="badnets", parameters="alpha=0.25"), runs)
    shown = run.arrays("samples")
    white, black = shown["triggered"][:, :, -1, -1], shown["clean"][:, :, -1, -1]
    assert np.abs(white - (0.75 * black + 0.25 * 255)).max() <= 0.5


@pytest.mark.parametrize(("text", "says"), [
    ("beta=1", "BadNets has no parameter 'beta'. It has alpha"),
    ("alpha=2", "alpha = 2 is out of range. Use a number from 0 to 1"),
    ("alpha", "'alpha' does not name a parameter and a number. Write them as alpha=0.5,k=3"),
    ("alpha=x", "'alpha=x' does not name a parameter"),
    ("alpha=nan", "alpha = nan is out of range"),
    ("alpha=0.1,alpha=0.2", "alpha is given twice. Give it once"),
])
def test_parameters_that_cannot_be(text, says):
    with pytest.raises(ConfigError) as caught:
        attack_of(train_config(attack="badnets", parameters=text), load_dataset("signs"))
    assert caught.value.field == "parameters" and says in str(caught.value)


def test_an_old_run_keeps_the_parameters_it_had(runs, backdoored, monkeypatch):
    from ngf_core.attacks.badnets import BadNets

    assert backdoored.results["parameters"] == {"alpha": 0.7}
    before = load_trained(backdoored.id, runs).attack
    monkeypatch.setattr(BadNets, "strengths", {"default": {"alpha": 1.0},
                                               "published": {"alpha": 0.1}})
    after = load_trained(backdoored.id, runs).attack
    assert after.parameters == before.parameters == {"alpha": 0.7}
    assert not is_current(backdoored)


def test_a_finished_run_is_not_thrown_away(runs, backdoored, benign):
    assert zoo.make(runs, backdoored.id, backdoored.config).manifest == backdoored.manifest
    with pytest.raises(RunError, match="is a finished run with other settings. Delete it, or name"):
        zoo.make(runs, backdoored.id, benign.config)
    assert runs.get(backdoored.id).state == "done"


def test_a_part_of_a_step_is_refused():
    with pytest.raises(ConfigError, match="k = 2.5 is not a whole number. Use a whole number from"):
        attack_of(train_config(attack="wanet", parameters="k=2.5"), load_dataset("signs"))
