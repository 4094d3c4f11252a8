"""`purify` on models and data of any kind: against the methods themselves, and what it leaves."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from ngf_core.config import PurifyConfig
from ngf_core.data.dataset import Images
from ngf_core.data.examples import Examples, shuffled
from ngf_core.errors import ConfigError, NGFError
from ngf_core.layers.sweep import split
from ngf_core.library import Purification, purify
from ngf_core.purify import ANP, AWM, NGF, SGD, Budget, FineTuning, NeuralCleanse
from ngf_core.purify.method import purifier
from ngf_core.purify.registry import LAYERED, PURIFIERS
from ngf_core.purify.step import Diverged, Step
from tests.support.planted_backdoor import coloured_set, planted, rates
from tests.support.tiny_models import Cliff, clean_set, seeded_model, tiny

METHODS = pytest.mark.parametrize("name", PURIFIERS)
CLEAN = coloured_set()
FLOATS = (CLEAN.x.float() / 255, CLEAN.y)
BUDGET = Budget(steps=16, batch_size=24)


def own(name: str, layer: str = "conv2"):
    """A method's settings as they come, on `layer` where it is told one."""
    return PURIFIERS[name].settings(**{"layer": layer} if name in LAYERED else {})


def everything(model: nn.Module) -> dict[str, object]:
    """All that a caller could find changed."""
    return {"numbers": {k: v.clone() for k, v in model.state_dict().items()},
            "modes": [m.training for m in model.modules()],
            "wanted": [p.requires_grad for p in model.parameters()],
            "gradients": [p.grad for p in model.parameters()],
            "hooks": [(len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks))
                      for m in model.modules()],
            "in place": [getattr(m, "inplace", None) for m in model.modules()],
            "objects": [id(t) for t in (*model.parameters(), *model.buffers())]}


def same(before: dict, after: dict) -> bool:
    numbers = before["numbers"].keys() == after["numbers"].keys() and all(
        torch.equal(v, after["numbers"][k]) for k, v in before["numbers"].items())
    return numbers and all(before[k] == after[k] for k in before if k != "numbers")


@METHODS
def test_it_is_the_method_itself_on_the_same_images(name):
    settings, budget = own(name), replace(BUDGET, augment="none")
    ours, theirs = purify(planted(), FLOATS, settings, budget), planted()
    for _ in purifier(name)(theirs, shuffled(CLEAN, budget.seed), settings, budget):
        pass
    assert all(torch.equal(v, theirs.state_dict()[k]) for k, v in ours.state_dict().items())


@METHODS
@pytest.mark.parametrize("training", [True, False])
def test_the_given_model_and_data_are_untouched(name, training):
    model = planted().train(training)
    model.bn2.eval()
    model.conv1.weight.requires_grad_(False)
    model.linear.weight.grad = torch.ones_like(model.linear.weight)
    model.linear.register_forward_hook(lambda *_: None)
    before, data = everything(model), [t.clone() for t in FLOATS]
    random = torch.get_rng_state()
    purified = purify(model, [FLOATS], own(name), BUDGET)
    assert same(before, everything(model))
    assert torch.equal(random, torch.get_rng_state()), "it draws from the global generator"
    assert all(torch.equal(a, b) for a, b in zip(data, FLOATS))
    after = everything(purified)
    assert [after[k] for k in ("modes", "wanted", "hooks")] == \
        [before[k] for k in ("modes", "wanted", "hooks")]
    assert after["gradients"] == [None] * len(after["gradients"])
    shared = {t.data_ptr() for t in model.state_dict().values()} & {
        t.data_ptr() for t in purified.state_dict().values()}
    assert not shared


def test_the_given_model_is_untouched_after_an_error_too():
    model = seeded_model(Cliff).train()
    before = everything(model)
    work = Purification(model, (clean_set().x.float() / 255, clean_set().y),
                        SGD(layer="linear", lr=1.0), Budget(steps=20, batch_size=16))
    with pytest.raises(Diverged, match="SGD diverged at step"):
        list(work)
    assert same(before, everything(model))
    assert all(m.training for m in work.model.modules()), "the copy is left at work"
    assert torch.isfinite(work.model.eval()(clean_set().x.float() / 255)).all()
    with pytest.raises(Diverged):
        purify(model, CLEAN.take(slice(0, 24)), SGD(layer="linear", lr=1.0), Budget(steps=20))
    assert same(before, everything(model))


def test_a_planted_backdoor_is_removed():
    model = planted()
    assert rates(model)[1] > 0.9
    purified = purify(model, FLOATS, ANP(), Budget(steps=60, batchnorm="frozen"))
    accuracy, success = rates(purified)
    assert accuracy > 0.9 and success < 0.2 and rates(model)[1] > 0.9


class Scaled(nn.Module):
    """A perceptron with dropout and activations that work in place, on 10 numbers of any size."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(10, 12), nn.ReLU(inplace=True), nn.Dropout(0.5),
                                    nn.Linear(12, 12), nn.ReLU(inplace=True), nn.Linear(12, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def tokens() -> nn.Module:
    return nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 8), nn.GELU(), nn.Flatten(),
                         nn.Linear(40, 3))


# Methods that cut convolutions or compare maps say so; those of images say so.
NOT_FOR = {"mlp": {"nad", "clp", "fine_pruning", "awm", "neural_cleanse"},
           "tokens": {"clp", "fine_pruning", "awm", "neural_cleanse"}}


@METHODS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("kind", "make", "shape", "layer"), [
    ("mlp", lambda: seeded_model(Scaled), (10,), "layers.3"),
    ("tokens", tokens, (5, 6), "1")])
def test_models_without_convolutions_and_inputs_of_any_shape(name, kind, make, shape, layer, dtype):
    model = make().to(dtype).train()
    x = 3 * torch.randn(40, *shape, generator=torch.Generator().manual_seed(0))
    data = [(x[:30], torch.arange(30) % 3), (x[30:], torch.arange(10) % 3)]
    before = everything(model)
    if name in NOT_FOR[kind]:
        with pytest.raises(ConfigError):
            purify(model, data, own(name, layer), BUDGET)
    else:
        work = Purification(model, data, own(name, layer), BUDGET)
        steps = list(work)
        assert steps[-1] == work.last and torch.isfinite(torch.tensor(steps[-1].loss))
        assert next(work.model.parameters()).dtype == dtype
    assert same(before, everything(model))


def test_natural_gradient_needs_no_change_of_a_model_that_works_in_place():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(),
                          nn.Linear(4 * 36, 4))
    for augment in ("none", "strong"):  # with kept activations, and without
        work = Purification(model, CLEAN, NGF(layer="0"), Budget(steps=3, augment=augment))
        assert len(list(work)) == 3 and model[1].inplace and work.model[1].inplace


def test_uint8_images_are_augmented_and_floats_are_not():
    given = planted()
    for data, augment in ((CLEAN, "strong"), ((CLEAN.x, CLEAN.y), "strong"), (FLOATS, "none")):
        default, named, other = (
            purify(given, data, SGD(layer="conv2"), Budget(steps=5, augment=one))
            for one in ("auto", augment, "crop"))
        assert torch.equal(default.conv2.weight, named.conv2.weight)
        assert not torch.equal(default.conv2.weight, other.conv2.weight)


@pytest.mark.parametrize("augment", ["none", "crop", "strong"])
def test_images_and_floats_within_0_and_1_are_the_same_data(augment):
    budget = Budget(steps=5, augment=augment)
    found = [purify(planted(), data, SGD(layer="conv2"), budget) for data in (
        shuffled(CLEAN, budget.seed), (CLEAN.x, CLEAN.y), FLOATS)]
    for other in found[1:]:
        assert torch.equal(found[0].conv2.weight, other.conv2.weight)


def test_a_model_in_double_precision_takes_uint8_images():
    model = planted().double()
    asked = SGD(layer="conv2"), Budget(steps=5, augment="none")
    ours, floats = purify(model, CLEAN, *asked), purify(model, FLOATS, *asked)
    assert torch.allclose(ours.conv2.weight, floats.conv2.weight, atol=1e-7)


def test_the_layer_is_chosen_from_clean_data(monkeypatch):
    seen = []

    def choose(model, clean, budget, ngf):
        seen.append((model, budget, ngf))
        return type("Choice", (), {"layer": "conv1", "rule": "made up", "scores": {}})()

    monkeypatch.setattr("ngf_core.layers.choose_layer", choose, raising=False)
    given = planted()
    work = Purification(given, FLOATS, NGF(layer="auto", kl_bound=0.2), Budget(steps=3))
    purified, _ = work.model, list(work)
    assert work.layer == "conv1" and seen[0][0] is not given
    assert seen[0][1:] == (Budget(steps=3, augment="none"),
                           NGF(layer="auto", kl_bound=0.2))
    assert not torch.equal(purified.conv1.weight, given.conv1.weight)
    assert torch.equal(purified.conv2.weight, given.conv2.weight)
    assert Purification(given, FLOATS, ANP()).layer == "" and len(seen) == 1
    assert Purification(given, FLOATS, NGF(layer="conv2")).layer == "conv2" and len(seen) == 1
    assert Purification(given, FLOATS, SGD(layer="auto")).layer == "conv1" and seen[1][2] is None


def test_data_that_lie_class_by_class_are_judged_on_all_classes(monkeypatch):
    judged = []

    def choose(model, clean, budget, ngf):
        judged.append(split(clean)[1].y)
        return type("Choice", (), {"layer": "conv1"})()

    monkeypatch.setattr("ngf_core.layers.choose_layer", choose, raising=False)
    order = FLOATS[1].argsort(stable=True)
    by_class = [(x[None], y[None]) for x, y in zip(FLOATS[0][order], FLOATS[1][order])]
    for seed in (0, 0, 1):
        Purification(planted(), by_class, NGF(layer="auto"), Budget(steps=3, seed=seed))
    assert all(len(set(y.tolist())) == len(set(FLOATS[1].tolist())) for y in judged)
    assert torch.equal(judged[0], judged[1]) and not torch.equal(judged[0], judged[2])


def test_the_steps_can_be_followed_and_left():
    model = planted()
    work = Purification(model.train(), FLOATS, FineTuning(), Budget(steps=10))
    assert work.last is None
    for step in work:
        assert isinstance(step, Step) and not work.model.training
        if step.step == 3:
            break
    assert work.last.step == 3 and work.model.training
    expected = purify(model, FLOATS, FineTuning(), Budget(steps=10))
    assert not torch.equal(work.model.conv1.weight, expected.conv1.weight)
    found = Purification(model, FLOATS, ANP(), Budget(steps=9))
    assert found.found == {} and [s.step for s in found] == [3, 6, 9] and "cut" in found.found


def test_seconds_end_it():
    work = Purification(planted(), FLOATS, SGD(layer="conv2"), Budget(seconds=1e-6))
    assert [s.step for s in work] == [1]


def test_it_works_where_gradients_are_switched_off():
    with torch.no_grad():
        purified = purify(planted(), FLOATS, SGD(layer="conv2"), Budget(steps=2))
        assert not torch.is_grad_enabled()
    assert not torch.equal(purified.conv2.weight, planted().conv2.weight)


# ---- settings


@METHODS
def test_settings_and_budget_are_all_that_a_method_is_handed(name, monkeypatch):
    handed = []

    def method(model, clean, settings, budget):
        handed.append((settings, budget))
        yield Step(1, 0.5, 0.1)

    monkeypatch.setattr("ngf_core.library.purifier", {name: method}.get)
    purify(planted(), FLOATS, own(name), BUDGET)
    assert handed == [(own(name), replace(BUDGET, augment="none"))] and type(handed[0][1]) is Budget


@pytest.mark.parametrize("budget", [Budget, {"steps": 5}, 5])
def test_a_budget_is_one(budget):
    with pytest.raises(ConfigError, match=r"is not a budget. Give Budget\(steps=100\)"):
        purify(planted(), FLOATS, SGD(layer="conv2"), budget)


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"steps": 0}, "steps: 0 is out of range. Use a number from 1"),
    ({"augment": "mirror"}, "augment: 'mirror' is unknown. Choose one of auto, none")])
def test_a_budget_that_cannot_be_is_refused_at_once(changes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Purification(planted(), FLOATS, SGD(layer="conv2"), Budget(**changes))


# ---- what is said of models and data that do not do


def shared() -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.Linear(4, 3))
    model[2].weight = model[0].weight
    return model


def held() -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 3))
    model.kept = model[0].weight * 2
    return model


class Pair(nn.Linear):
    def forward(self, x):
        return super().forward(x), x


VECTORS = (torch.rand(9, 4), torch.arange(9) % 3)


@pytest.mark.parametrize(("model", "data", "sentence"), [
    (torch.relu, VECTORS, "is not a torch.nn.Module"),
    (nn.Sequential(nn.Flatten()), VECTORS, "no convolution .* and no linear layer"),
    (nn.DataParallel(nn.Linear(4, 3)), VECTORS, "Give what it wraps, model.module"),
    (nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 3, device="meta")), VECTORS, "several devices"),
    (shared(), VECTORS, "layers 0 and 2 share one weight"),
    (held(), VECTORS, "The model cannot be copied .* detach tensors"),
    (nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))), VECTORS,
     "weight of 0 is computed from others. Make it plain"),
    (nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3, track_running_stats=False)), VECTORS,
     "BatchNorm 1 keeps no running statistics"),
    (nn.Linear(4, 2), VECTORS, "a label is 2, and the model has 2 classes"),
    (nn.Linear(5, 3), VECTORS, r"does not run on the clean inputs, of shape \(4,\)"),
    (Pair(4, 3), VECTORS, r"its answer is a tuple, not logits"),
    (nn.Linear(4, 3), (torch.rand(9, 2, 4), VECTORS[1]), r"of shape \(2, 2, 3\), not logits"),
    (nn.Linear(4, 3), (VECTORS[0][:1], VECTORS[1][:1]), "holds a single example"),
    (nn.Linear(4, 3), [], "holds no example")])
def test_models_and_data_that_do_not_do(model, data, sentence):
    with pytest.raises(NGFError, match=sentence):
        purify(model, data, FineTuning(), Budget(steps=2))


@pytest.mark.parametrize("settings", [NGF, "ngf", PurifyConfig()])
def test_settings_are_an_instance_of_a_methods_class(settings):
    with pytest.raises(ConfigError, match=r"settings: .* Give NGF\(\), ANP\(eps=0.3\)"):
        purify(planted(), FLOATS, settings)


def test_what_paints_on_images_wants_images():
    asked = NeuralCleanse(), Budget(steps=4)
    for data in ((2 * FLOATS[0], CLEAN.y), (FLOATS[0] - 0.5, CLEAN.y)):
        with pytest.raises(ConfigError, match="Neural Cleanse adds patterns to images, .*scaling"):
            purify(planted(), data, *asked)
    purify(planted(), FLOATS, *asked)


@pytest.mark.parametrize("settings", [NeuralCleanse(), AWM()])
def test_rounding_beyond_0_and_1_is_clipped(settings):
    exact_x = FLOATS[0].clone()
    exact_x[:5], exact_x[5:10, :, :3] = 1, 0
    rounded = torch.where(exact_x == 0, -3e-8, torch.where(exact_x == 1, 1 + 1.2e-7, exact_x))
    assert rounded.min() < 0 and rounded.max() > 1
    asked = Budget(steps=12, batch_size=24, augment="crop")
    ours, exact = (purify(planted(), (x, CLEAN.y), settings, asked) for x in (rounded, exact_x))
    for key, value in exact.state_dict().items():
        assert torch.equal(value, ours.state_dict()[key])


def test_augmentation_wants_images():
    message = "augment: 'crop' changes images .* Use 'none'"
    for model, data in ((nn.Linear(4, 3), VECTORS), (planted(), (3 * FLOATS[0], CLEAN.y))):
        with pytest.raises(ConfigError, match=message):
            purify(model, data, FineTuning(), Budget(augment="crop"))


def test_an_unknown_layer_lists_the_known_ones():
    with pytest.raises(ConfigError, match="'nose'.*conv1, conv2, linear"):
        purify(planted(), FLOATS, NGF(layer="nose"))


def test_images_and_examples_are_taken_as_they_are():
    given = Images(CLEAN.x.clone(), CLEAN.y.clone())
    work = Purification(planted(), given, SGD(layer="conv2"), Budget(steps=1))
    assert work._clean is given
    assert isinstance(Purification(tiny(), FLOATS, FineTuning(), Budget(steps=1))._clean, Examples)
    assert len(list(work)) == 1 and torch.equal(given.x, CLEAN.x)
    assert copy.deepcopy(work.model) is not work.model


class Centred(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x - 1


def test_hooks_of_the_model_itself_are_part_of_it():
    short = Budget(steps=4, batch_size=24)
    hooked, plain = planted(), nn.Sequential(Centred(), planted())
    hooked.register_forward_pre_hook(lambda _, args: (2 * args[0] - 1,))
    ours = purify(hooked, FLOATS, SGD(layer="conv2"), short)
    theirs = purify(plain, FLOATS, SGD(layer="1.conv2"), short)
    assert torch.equal(ours.conv2.weight, theirs[1].conv2.weight)
    assert not torch.equal(ours.conv2.weight, planted().conv2.weight)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_works_where_no_gradients_are_wanted(mode):
    model, asked = planted(), (SGD(layer="conv2"), Budget(steps=4, batch_size=24))
    usual = purify(model, FLOATS, *asked)
    with mode():
        work = Purification(model, FLOATS, *asked)
        for _ in work:
            assert not torch.is_grad_enabled()
        ours = purify(model, FLOATS, *asked)
    for found in (work.model, ours):
        assert torch.equal(found.conv2.weight, usual.conv2.weight)


class Odd(nn.Module):
    """A layer that never runs and one that runs twice, beside two that natural gradients suit."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.never = nn.Linear(6, 4), nn.Linear(5, 5)
        self.twice, self.last = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.twice(self.twice(self.first(x)).relu()).relu())


def test_auto_passes_over_layers_that_cannot_be_tuned():
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(30, 6, generator=generator), torch.arange(30) % 3
    work = Purification(seeded_model(Odd), data, NGF(), Budget(steps=2, batch_size=16))
    assert work.layer in ("first", "last")
