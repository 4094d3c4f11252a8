"""What every registered method must do, whatever its steps."""

import copy
import inspect
from dataclasses import replace

import pytest
import torch
from torch import nn

from ngf_core.data.dataset import Images
from ngf_core.errors import ConfigError
from ngf_core.models.build import tunable_layers
from ngf_core.purify import Budget
from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.method import purifier
from ngf_core.purify.registry import PURIFIERS
from tests.support import tiny_models
from tests.support.tiny_models import asked, clean_set, tiny

METHODS = pytest.mark.parametrize("name", PURIFIERS)
ONE_LAYER = [name for name, entry in PURIFIERS.items() if entry.tunes == "layer"]
CUTTING = [name for name, entry in PURIFIERS.items() if entry.tunes == "channels"]
LOOKING = [name for name, entry in PURIFIERS.items() if not entry.data_free]


BUDGET = 16  # enough for an update of every method


def settings(**changes: object) -> Budget:
    return tiny_models.settings(**({"steps": BUDGET} | changes))


def run(name: str, model: nn.Module, budget: Budget | None = None, clean: Images | None = None,
        **own: object) -> list:
    return list(purifier(name)(model, clean or clean_set(), asked(name, **own)[0],
                               budget or settings()))


def changed(before: nn.Module, after: nn.Module) -> set[str]:
    old = before.state_dict()
    return {key for key, value in after.state_dict().items() if not torch.equal(value, old[key])}


def buffers(model: nn.Module) -> set[str]:
    return {name for name, _ in model.named_buffers()}


@METHODS
def test_every_update_is_reported(name):
    steps = run(name, tiny())
    spent = [s.step for s in steps]
    each = {b - a for a, b in zip([0, *spent], spent)}
    assert min(each) >= 1
    if PURIFIERS[name].data_free:
        assert spent == [1]
    elif (steps[-1].found or {}).get("flagged") == []:
        assert spent[-1] <= BUDGET, "a method that finds nothing does not spend what is left"
    else:
        assert BUDGET - max(each) < spent[-1] <= BUDGET, "the budget is neither left nor overdrawn"
    assert all(s.loss > 0 for s in steps)
    seconds = [s.seconds for s in steps]
    assert seconds == sorted(seconds) and seconds[0] > 0


@pytest.mark.parametrize("layer", tunable_layers(tiny()))
@pytest.mark.parametrize("name", ONE_LAYER)
def test_only_the_named_layer_changes(name, layer):
    received, model = tiny(), tiny()
    run(name, model, settings(batchnorm="frozen"), layer=layer)
    own = {f"{layer}.{key}" for key, _ in received.get_submodule(layer).named_parameters()}
    assert changed(received, model) == own


@pytest.mark.parametrize("name", CUTTING)
def test_what_only_cuts_channels_sets_numbers_to_zero_and_no_other(name):
    received, model = tiny(), tiny()
    run(name, model, settings(steps=12, batchnorm="frozen"))
    for key in changed(received, model):
        old, new = received.state_dict()[key], model.state_dict()[key]
        assert torch.equal(new[new != old], torch.zeros_like(new[new != old])), key


@pytest.mark.parametrize("name", LOOKING)
def test_recalibration_changes_the_buffers_too_and_nothing_else(name):
    received, frozen, recalibrated = tiny(), tiny(), tiny()
    run(name, frozen, settings(batchnorm="frozen"))
    run(name, recalibrated, settings(batchnorm="recalibrated"))
    assert not changed(received, frozen) & buffers(received)
    assert buffers(received) <= changed(received, recalibrated)
    tuned = [changed(received, model) - buffers(received) for model in (frozen, recalibrated)]
    if name not in CUTTING and all(tuned):  # what is found and cut may depend on the statistics
        assert tuned[0] == tuned[1]


def test_finetuning_changes_every_parameter():
    received, model = tiny(), tiny()
    run("finetune", model, settings(batchnorm="frozen"))
    assert changed(received, model) == {name for name, _ in received.named_parameters()}


@METHODS
def test_the_model_is_left_in_eval_mode(name):
    model = tiny()
    run(name, model)
    assert not any(m.training for m in model.modules())


@METHODS
def test_the_same_config_gives_the_same_run(name):
    models = [tiny() for _ in range(3)]
    seeds = (1, 1, 2)
    losses = []
    for i, (model, seed) in enumerate(zip(models, seeds)):
        torch.manual_seed(i)
        losses.append([s.loss for s in run(name, model, settings(seed=seed, augment="strong"))])
    assert losses[0] == losses[1] != losses[2]
    assert not changed(models[0], models[1])


@METHODS
def test_all_methods_see_the_same_batches(name, monkeypatch):
    seen: dict[int, torch.Tensor] = {}
    draw = CleanBatches.__call__

    def recorded(self, step):
        x, y = draw(self, step)
        seen[step] = x.clone()
        return x, y

    monkeypatch.setattr(CleanBatches, "__call__", recorded)
    config = settings(augment="strong", batchnorm="frozen")
    updates = len(run(name, tiny(), config))
    assert set(range(updates)) <= set(seen)
    expected = CleanBatches(clean_set(), config, torch.device("cpu"))
    assert all(torch.equal(x, draw(expected, step)[0]) for step, x in seen.items())


class Recorded(Images):
    """A clean set that remembers which of its images were taken."""

    def take(self, indices) -> Images:
        self.__dict__.setdefault("taken", set()).update(indices.tolist())
        return super().take(indices)


@METHODS
def test_a_method_is_given_clean_images_its_settings_and_a_budget_alone(name):
    given = ["model", "clean", "own", "budget"]
    assert list(inspect.signature(purifier(name)).parameters) == given
    given = clean_set()
    clean = Recorded(given.x.clone(), given.y.clone())
    run(name, tiny(), clean=clean)
    assert clean.taken <= set(range(24))
    assert PURIFIERS[name].data_free or len(clean.taken) > 16
    assert torch.equal(clean.x, given.x) and torch.equal(clean.y, given.y)


@METHODS
def test_small_clean_sets_and_whole_batches(name):
    assert len(run(name, tiny(), settings(batch_size=4096), clean_set(5))) == len(run(name, tiny()))


# NAD: on random labels the teacher's attention is far from the student's, and the published weight
# overshoots. I-BAU, Fast FIP: the published rates are for hundreds of updates, and 13 singular
# values are held back by their received ones.
FINE_TUNING = {"lr": 0.02}
OWN = {"sgd": FINE_TUNING, "finetune": FINE_TUNING, "ft_sam": FINE_TUNING, "fip": FINE_TUNING,
       "nad": FINE_TUNING | {"beta2": 10, "beta3": 10}, "ibau": {"lr": 0.01},
       "fast_fip": {"lr": 0.1, "eta_r": 0}}


@pytest.mark.parametrize("name", [name for name, entry in PURIFIERS.items()
                                  if entry.tunes in ("layer", "network")])
def test_the_clean_loss_falls_where_a_method_tunes(name):
    budget = settings(steps=80, augment="none", batch_size=24)
    received, model = tiny(), tiny()
    losses = [s.loss for s in run(name, model, budget, **OWN.get(name, {}))]
    if changed(received, model) - buffers(received):
        # A step sees the whole set, so that there is no noise in them (but MCR's random points).
        tenth = max(1, len(losses) // 10)
        assert sum(losses[-tenth:]) / tenth < min(losses[:tenth])


@METHODS
def test_nothing_happens_before_the_first_step_is_asked_for(name):
    received, model = tiny(), tiny()
    purifier(name)(model, clean_set(), *asked(name))
    assert not changed(received, model)


@pytest.mark.parametrize("name", ONE_LAYER)
def test_an_unknown_layer_lists_the_known_ones(name):
    with pytest.raises(ConfigError, match="no layer 'nose'. Choose one of conv1, conv2, linear"):
        run(name, tiny(), layer="nose")


def test_an_unknown_method_lists_the_known_ones():
    with pytest.raises(ConfigError, match="'bleach' is unknown. Choose from ngf, sgd, finetune"):
        purifier("bleach")


def test_batches_follow_from_seed_and_step():
    config, clean = settings(augment="none", batch_size=8), clean_set()
    batches = CleanBatches(clean, config, torch.device("cpu"))
    x, y = batches(3)
    assert torch.equal(x, batches(3)[0]) and not torch.equal(x, batches(4)[0])
    other = CleanBatches(clean, replace(config, seed=1), torch.device("cpu"))
    assert not torch.equal(x, other(3)[0])
    found = [[k for k in range(24) if torch.equal(clean.x[k].float() / 255, image)] for image in x]
    assert len({k for ks in found for k in ks}) == 8, "an image came twice"
    assert [clean.y[ks[0]].item() for ks in found] == y.tolist()


def test_copies_purify_alike():
    one = tiny()
    two = copy.deepcopy(one)
    run("ngf", one)
    run("ngf", two)
    assert not changed(one, two)
