"""AWM: its pattern, its first update against the formula, and a planted backdoor that fades."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ngf_core.errors import ConfigError
from ngf_core.models.build import build_model
from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.methods.awm import STRIDE, awm, pushed
from ngf_core.purify.step import Diverged
from tests.support.planted_backdoor import BAD, coloured_set, planted, rates
from tests.support.tiny_models import LinearModel, asked, clean_set, seeded_model, tiny

EXACT = {"batchnorm": "frozen", "augment": "none", "batch_size": 64}


def test_a_planted_backdoor_fades_and_clean_accuracy_stays():
    model = planted()
    list(awm(model, coloured_set(), *asked("awm", **EXACT, steps=100, tau=0.3)))
    accuracy, success = rates(model)
    assert accuracy > 0.9 and success < 0.2
    faded = model.conv2.weight[BAD, BAD, 1, 1] * model.conv1.weight[BAD].abs().mean()
    kept = planted().conv2.weight[BAD, BAD, 1, 1] * planted().conv1.weight[BAD].abs().mean()
    assert faded < 0.7 * kept


def test_the_pattern_moves_along_the_slope_and_stays_in_its_ball():
    slope = torch.tensor([3.0, -1, 0])
    assert torch.allclose(pushed(torch.zeros(3), slope, 8.0), 8 * STRIDE * slope / 4)
    start = torch.tensor([6.0, 0, -2])
    moved = start + 8 * STRIDE * slope / 4
    assert torch.allclose(pushed(start, slope, 8.0), moved * 8 / moved.abs().sum())
    assert torch.equal(pushed(start, torch.zeros(3), 8.0), start)
    assert torch.equal(pushed(torch.zeros(3), torch.zeros(3), 8.0), torch.zeros(3))


@pytest.mark.parametrize(("alpha", "gamma"), [(0.9, 0.0), (0.2, 0.0), (0.9, 3e-4)])
def test_the_first_update_follows_the_objective(alpha, gamma):
    own, config = asked("awm", **EXACT, steps=3, alpha=alpha, gamma=gamma, lr=0.03, tau=0.2)
    model, reference = tiny(), tiny().eval()
    (step,) = awm(model, clean_set(), own, config)
    x, y = CleanBatches(clean_set(), config, torch.device("cpu"))(0)
    delta = torch.zeros(1, 3, 8, 8, requires_grad=True)
    (slope,) = torch.autograd.grad(F.cross_entropy(reference((x + delta).clamp(0, 1)), y), delta)
    delta = 0.5 * 0.2 * 192 * slope / slope.abs().sum()
    stamped = (x + delta).clamp(0, 1)
    loss = (alpha * F.cross_entropy(reference(x), y)
            + (1 - alpha) * F.cross_entropy(reference(stamped), y))
    for layer in ("conv1", "conv2"):
        weight = reference.get_submodule(layer).weight
        (gradient,) = torch.autograd.grad(loss, weight, retain_graph=True)
        slope = weight * gradient + gamma  # of the mask, which is one
        mask = (1 - 0.03 * slope.sign()).clamp(max=1)  # Adam's first step is rate * sign
        sure = slope.abs() > 1e-6
        found = model.get_submodule(layer).weight
        assert torch.allclose(found[sure], (mask * weight)[sure], rtol=1e-3)
        assert (mask < 1)[sure].any() and (mask == 1)[sure].any()
    for key in ("linear.weight", "bn1.weight", "conv2.bias"):
        assert torch.equal(model.state_dict()[key], reference.state_dict()[key])
    assert step.step == 3
    assert step.found["pattern_l1"] == pytest.approx(delta.abs().sum().item(), abs=0.01)


def test_weights_are_never_enlarged_nor_turned_round():
    model, received = tiny(), tiny()
    own, config = asked("awm", **EXACT, steps=30, lr=0.5)
    for _ in awm(model, clean_set(), own, config):
        for found, old in ((model.conv1.weight, received.conv1.weight),
                           (model.conv2.weight, received.conv2.weight)):
            share = found / old
            assert share.min() >= 0 and share.max() <= 1
    assert share.min() == 0 and share.max() > 0


def test_passes_of_an_update_and_a_budget_that_holds_none():
    own, config = asked("awm", **EXACT, steps=13, ascents=4)
    assert [s.step for s in awm(tiny(), clean_set(), own, config)] == [6, 12]
    with pytest.raises(ConfigError, match="2 passes do not suffice .* AWM. Use at least 3"):
        list(awm(tiny(), clean_set(), *asked("awm", **EXACT, steps=2)))


class Brittle(nn.Module):
    """Finite until a mask falls."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.linear = nn.Linear(192, 3), nn.Linear(3, 4)
        self.received = self.first.weight.detach().clone()

    def forward(self, x):
        broken = (self.first.weight != self.received).any() * torch.inf
        return self.linear(self.first(x.flatten(1))) * (1 + broken.nan_to_num(nan=0.0))


def test_a_diverging_run_goes_back_to_the_last_finite_weights():
    model = seeded_model(Brittle)
    steps = awm(model, clean_set(), *asked("awm", **EXACT, steps=9))
    assert next(steps).step == 3
    assert not torch.equal(model.first.weight, model.received)
    with pytest.raises(Diverged, match="AWM diverged after 3 passes: .* smaller awm.lr"):
        next(steps)
    assert torch.equal(model.first.weight, model.received)


def test_single_layers_are_refused_and_transformers_are_not():
    with pytest.raises(ConfigError, match="AWM masks weights .* single layer. Use finetune"):
        list(awm(seeded_model(LinearModel, 192, 4), clean_set(), *asked("awm", **EXACT)))
    model = build_model("mini_vit", (3, 8, 8), 4)
    assert list(awm(model, clean_set(), *asked("awm", **EXACT, steps=3)))
