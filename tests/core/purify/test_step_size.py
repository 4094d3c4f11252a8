"""The choice of a step size on held-out clean images, against trials made by hand."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from ngf_core.data.dataset import Images
from ngf_core.errors import ConfigError
from ngf_core.purify import Budget
from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.method import purifier
from ngf_core.purify.registry import PURIFIERS
from ngf_core.purify.settings import MethodSettings
from ngf_core.purify.step import Diverged, Step
from ngf_core.purify.step_size import FACTORS, with_step_size
from ngf_core.purify.weights import flat
from tests.support.planted_backdoor import coloured_set, planted
from tests.support.tiny_models import asked, clean_set, tiny

CHOSEN = {"step_size": "chosen", "steps": 6}
FIELDS = {"ngf": "kl_bound", "sgd": "lr", "finetune": "lr", "fip": "lr"}


def run(name: str, own: MethodSettings, budget: Budget, clean: Images | None = None
        ) -> tuple[nn.Module, list[Step]]:
    model = tiny()
    return model, list(purifier(name)(model, clean or clean_set(), own, budget))


def test_which_methods_have_one():
    having = {name: entry.settings.step_size_of for name, entry in PURIFIERS.items()}
    assert FIELDS.items() <= having.items() and having["clp"] == ""
    for name, of in having.items():
        names = set(PURIFIERS[name].settings.__dataclass_fields__)
        assert ("step_size" in names) == bool(of) and {of} - {""} <= names


@pytest.mark.parametrize("augment", ["none", "strong"])
@pytest.mark.parametrize("name", ["ngf", "sgd", "finetune"])
def test_the_size_of_the_lowest_held_out_loss_is_taken(name, augment):
    field = FIELDS[name]
    own, config = asked(name, **CHOSEN, augment=augment, batchnorm="frozen", **{field: 0.2}, seed=3)
    _, steps = run(name, own, config)
    told = steps[0].found["step_size"]
    assert told["field"] == field and told["held_out"] == 4 and told["passes"] == 4 * 6
    order = torch.randperm(24, generator=torch.Generator().manual_seed(3))
    rest, held = clean_set().take(order[4:]), clean_set().take(order[:4])
    draws = CleanBatches(held, replace(config, batch_size=4), torch.device("cpu"))
    expected = {}
    for factor in FACTORS:
        size = round(0.2 * factor, 6)
        model = tiny()
        list(PURIFIERS[name].load()(model, rest, replace(own, **{field: size}), config))
        losses = [nn.functional.cross_entropy(model(x), y).item() for x, y in map(draws, range(8))]
        expected[size] = sum(losses) / 8
    assert dict(told["losses"]) == pytest.approx(expected, rel=1e-5)
    assert told["chosen"] == min(expected, key=expected.get)
    assert len({round(loss, 4) for loss in expected.values()}) > 1


@pytest.mark.parametrize("name", ["ngf", "sgd"])
def test_then_the_whole_clean_set_is_tuned_on_with_it(name):
    own, config = asked(name, **CHOSEN)
    model, steps = run(name, own, config)
    told = steps[0].found["step_size"]
    given = replace(own, step_size="given", **{FIELDS[name]: told["chosen"]})
    plain, theirs = run(name, given, config)
    assert torch.equal(flat(list(model.parameters())), flat(list(plain.parameters())))
    assert [s.loss for s in steps] == [s.loss for s in theirs]
    assert [s.step for s in steps] == [1, 2, 3, 4, 5, 6], "trials are told, not counted as steps"
    assert all(not s.found for s in steps[1:])
    assert told["seconds"] > 0 and all(s.seconds > told["seconds"] for s in steps)


def test_given_nothing_is_tried():
    _, steps = run("sgd", *asked("sgd"))
    assert all(s.found is None for s in steps)


def made_up(losses: dict[float, float]):
    """A method whose trial at each lr multiplies the logits so that the loss is about as told."""
    def tune(model, clean, own, budget):
        if math.isnan(losses[own.lr]):
            raise Diverged("It fell over.")
        with torch.no_grad():
            model.linear.weight.mul_(losses[own.lr])
        yield Step(1, 0.5, 0.1)

    return tune


def test_sizes_that_diverge_are_told_and_not_taken():
    tune = with_step_size(made_up({0.01: math.nan, 0.03: math.nan, 0.1: 1.0, 0.3: math.inf}))
    steps = list(tune(tiny().eval(), clean_set(), *asked("sgd", **CHOSEN, lr=0.1)))
    told = steps[0].found["step_size"]
    assert [size for size, _ in told["losses"]] == [0.01, 0.03, 0.1, 0.3]
    assert [loss is None for _, loss in told["losses"]] == [True, True, False, True]
    assert told["chosen"] == 0.1 and told["passes"] == 2


def test_where_all_diverge_it_says_so_and_the_model_is_as_it_was():
    model, received = tiny().eval(), tiny().eval()
    tune = with_step_size(made_up(dict.fromkeys((0.01, 0.03, 0.1, 0.3), math.nan)))
    with pytest.raises(Diverged, match="No lr from 0.01 to 0.3 kept the loss finite. Give a small"):
        list(tune(model, clean_set(), *asked("sgd", **CHOSEN, lr=0.1)))
    assert torch.equal(flat(list(model.parameters())), flat(list(received.parameters())))


def test_sizes_stay_within_the_bounds_of_the_field():
    _, steps = run("sgd", *asked("sgd", **CHOSEN, lr=10.0, batchnorm="frozen"))
    assert [s for s, _ in steps[0].found["step_size"]["losses"]] == pytest.approx([1.0, 3.0, 10.0])


def test_too_few_images_are_refused():
    with pytest.raises(ConfigError, match="none can be chosen with 4 clean images. Use at least 5"):
        run("sgd", *asked("sgd", **CHOSEN), clean_set(4))
    run("sgd", *asked("sgd", **CHOSEN), clean_set(5))


def test_a_limit_of_seconds_is_shared_equally():
    had = []

    def tune(model, clean, own, budget):
        had.append(budget.seconds)
        for step in range(50):
            yield Step(step + 1, 0.5, 0.1 * (step + 1))

    steps = list(with_step_size(tune)(tiny(), clean_set(), *asked("sgd", **CHOSEN, seconds=5.0)))
    assert had == [1.0] * 5 and steps[0].found["step_size"]["passes"] == 4 * 10


def test_prepared_batches_are_tuned_on_with_the_given_size():
    own, config = asked("sgd", **CHOSEN)
    batches = CleanBatches(clean_set(), config, torch.device("cpu"))
    model = tiny()
    steps = list(purifier("sgd")(model, batches, own, config))
    assert len(steps) == 6 and all(s.found is None for s in steps)


def test_a_rate_that_is_far_too_small_is_raised():
    own, config = asked("sgd", **CHOSEN, lr=1e-3, augment="none", layer="linear")
    clean, model = coloured_set(), planted()
    with torch.no_grad():
        model.linear.weight.copy_(torch.roll(model.linear.weight, 1, 0))  # much is to be learned
    received = copy.deepcopy(model)
    steps = list(purifier("sgd")(model, clean, own, config))
    assert steps[0].found["step_size"]["chosen"] == pytest.approx(3e-3)
    assert not torch.equal(model.linear.weight, received.linear.weight)
