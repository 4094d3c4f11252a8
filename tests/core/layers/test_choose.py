"""The chosen layer: from clean data, with the model left alone."""

import copy

import pytest
import torch

from ngf_core.data.examples import Examples
from ngf_core.errors import ConfigError, NGFError
from ngf_core.layers import choose_layer
from ngf_core.layers.choose import RULE_WITHOUT_IMAGES, STEPS
from ngf_core.layers.rules import DEFAULT_RULE, RULES, Rule
from ngf_core.layers.sweep import split
from ngf_core.models.build import tunable_layers
from ngf_core.purify import NGF
from tests.support.tiny_models import clean_set, seeded_model, settings, tiny

BUDGET = settings(augment="strong", steps=4000)


@pytest.mark.parametrize("rule", list(RULES))
def test_every_rule_chooses_a_layer_and_leaves_the_model_alone(rule):
    model, state = tiny(), torch.random.get_rng_state()
    received = copy.deepcopy(model.state_dict())
    choice = choose_layer(model, clean_set(40), BUDGET, NGF(kl_bound=0.1, damping=0.5), rule)
    assert choice.layer in tunable_layers(model) and choice.rule == rule
    assert set(choice.scores) == set(tunable_layers(model))
    assert choice.scores[choice.layer] == max(s for s in choice.scores.values() if s is not None)
    expected = 3 * (STEPS * ("tuning" in RULES[rule].sees) + ("fisher" in RULES[rule].sees))
    assert choice.passes == expected
    assert all(torch.equal(t, received[name]) for name, t in model.state_dict().items())
    assert model.training and all(p.requires_grad for p in model.parameters())
    assert torch.equal(state, torch.random.get_rng_state())


def test_the_choice_follows_the_seed_and_nothing_else():
    model, clean = tiny(), clean_set(40)
    one, same = (choose_layer(model, clean, BUDGET) for _ in range(2))
    assert one == same and one.rule == DEFAULT_RULE
    assert choose_layer(model, clean, settings(augment="strong", seed=1)).scores != one.scores


def test_judging_images_do_not_tune():
    clean = clean_set(43)
    tuning, judging = split(clean)
    assert (len(tuning), len(judging)) == (35, 8)
    assert torch.equal(torch.cat([judging.x, tuning.x]), clean.x)
    with pytest.raises(ConfigError, match="4 clean images cannot be split"):
        split(clean_set(4))


class OnRows(torch.nn.Module):
    """Two linear layers on rows of numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Linear(6, 8), torch.nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(torch.relu(self.first(x)))


def test_inputs_that_are_no_images_have_a_rule_too():
    generator = torch.Generator().manual_seed(0)
    rows = Examples(torch.randn(40, 6, generator=generator), torch.arange(40) % 3)
    config = settings(augment="none")
    choice = choose_layer(seeded_model(OnRows), rows, config)
    assert choice.rule == RULE_WITHOUT_IMAGES and choice.layer in ("first", "second")
    with pytest.raises(ConfigError, match="changes images, which these inputs are not"):
        choose_layer(seeded_model(OnRows), rows, config, rule=DEFAULT_RULE)


def test_the_step_size_is_not_chosen_at_every_layer():
    one, other = (choose_layer(tiny(), clean_set(40), BUDGET, NGF(step_size=how))
                  for how in ("given", "chosen"))
    assert one == other


def test_an_unknown_rule_is_named():
    with pytest.raises(ConfigError, match="'oracle' is unknown. Choose one of bounded_travel"):
        choose_layer(tiny(), clean_set(40), BUDGET, rule="oracle")


def test_a_model_without_finite_answers_is_refused():
    broken = tiny()
    torch.nn.init.constant_(broken.linear.weight, torch.nan)
    with pytest.raises(NGFError, match="answers to clean images are not finite"):
        choose_layer(broken, clean_set(40), BUDGET, rule="fisher_mass")


def test_where_no_layer_can_be_judged_it_says_so(monkeypatch):
    nothing = Rule("Nothing", lambda layers: {one.layer: None for one in layers})
    monkeypatch.setitem(RULES, "nothing", nothing)
    with pytest.raises(NGFError, match="can judge none of this network's layers"):
        choose_layer(tiny(), clean_set(40), BUDGET, rule="nothing")
