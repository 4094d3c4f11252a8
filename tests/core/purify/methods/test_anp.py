"""ANP's ascent and descent against their formulas, and the planted channel that it finds."""

import pytest
import torch
import torch.nn.functional as F

from ngf_core.errors import ConfigError
from ngf_core.models.build import build_model
from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.masks import channels_of
from ngf_core.purify.methods.anp import ANP, anp, ascend
from tests.support.planted_backdoor import BAD, coloured_set, planted, rates
from tests.support.tiny_models import asked, clean_set, tiny

EXACT = {"batchnorm": "frozen", "augment": "none", "batch_size": 64}


def test_a_planted_channel_is_found_and_the_backdoor_gone():
    model = planted()
    *on_the_way, last = anp(model, coloured_set(), *asked("anp", **EXACT, steps=60))
    assert BAD in last.found["cut"]["bn2"]
    assert {step.found for step in on_the_way} == {None} and last.step == 60
    accuracy, success = rates(model)
    assert accuracy > 0.9 and success < 0.2


def test_the_ascent_is_a_step_along_the_sign_that_stays_in_the_box():
    model, clean = planted().requires_grad_(False), coloured_set()
    channels = channels_of(model, "ANP")
    x, y, mask = clean.x.float() / 255, clean.y, 0.9 * channels.ones()
    start = torch.rand(2, len(channels), generator=torch.Generator().manual_seed(0)) - 0.5

    def loss(moved: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(channels.outputs(x, mask + moved[0], 1 + moved[1]), y)

    found = ascend(channels, mask, start, x, y, ANP(eps=0.5, ascents=1))
    slope = torch.autograd.functional.jacobian(loss, start)
    assert slope.count_nonzero() > 30, "the test sees no slope"
    assert torch.equal(found, (start + 0.5 * slope.sign()).clamp(-0.5, 0.5))
    assert found.abs().max() <= 0.5 and loss(found) > loss(start)
    twice = ascend(channels, mask, start, x, y, ANP(eps=0.5, ascents=2))
    half = (start + 0.25 * slope.sign()).clamp(-0.5, 0.5)
    slope = torch.autograd.functional.jacobian(loss, half)
    assert torch.equal(twice, (half + 0.25 * slope.sign()).clamp(-0.5, 0.5))


def test_the_planted_channel_has_the_sharpest_loss_in_its_layer():
    model, clean = planted(), coloured_set()
    channels = channels_of(model, "ANP")
    x, rises = clean.x.float() / 255, []
    for k in range(12, 24):
        shift = channels.ones()
        shift[k] -= 0.4
        rises.append(F.cross_entropy(channels.outputs(x, channels.ones(), shift), clean.y).item())
    assert max(range(12), key=rises.__getitem__) == BAD


def test_masks_are_learned_with_batchnorm_by_the_batch():
    own, config = asked("anp", **EXACT, steps=3)
    (step,) = anp(tiny(), clean_set(), own, config)
    x, y = CleanBatches(clean_set(), config, torch.device("cpu"))(0)
    assert step.loss == pytest.approx(F.cross_entropy(tiny().train()(x), y).item(), rel=1e-5)
    assert step.loss != pytest.approx(F.cross_entropy(tiny().eval()(x), y).item(), rel=1e-2)


def test_an_update_of_several_ascents_costs_their_passes():
    own, config = asked("anp", **EXACT, steps=11, ascents=3)
    assert [s.step for s in anp(planted(), coloured_set(), own, config)] == [5, 10]
    own, config = asked("anp", **EXACT, steps=2)
    with pytest.raises(ConfigError, match="2 passes do not suffice for one update of ANP. .*3"):
        list(anp(planted(), coloured_set(), own, config))


def test_without_perturbation_masks_serve_accuracy_alone_and_nothing_good_is_cut():
    own, config = asked("anp", **EXACT, steps=30, eps=0, tolerance=0)
    model = planted()
    losses = [s.loss for s in anp(model, coloured_set(), own, config)]
    assert losses[-1] < losses[0]
    assert rates(model)[0] > 0.95


def test_a_transformer_has_channels_too():
    model = build_model("mini_vit", (3, 8, 8), 4)
    steps = list(anp(model, coloured_set(), *asked("anp", **EXACT, steps=6)))
    assert steps[-1].found is not None
