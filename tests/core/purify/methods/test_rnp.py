"""RNP: what it unlearns and when it stops, what it recovers, and the planted channel it finds."""

import pytest
import torch
import torch.nn.functional as F

from ngf_core.errors import ConfigError
from ngf_core.models.build import build_model
from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.batchnorm import batch_statistics
from ngf_core.purify.methods import rnp as module
from ngf_core.purify.methods.rnp import rnp
from ngf_core.purify.step import Diverged
from tests.support.planted_backdoor import BAD, coloured_set, planted, rates
from tests.support.tiny_models import asked, clean_set, tiny

EXACT = {"batchnorm": "frozen", "augment": "none", "batch_size": 64}


def test_a_planted_channel_is_found_and_the_backdoor_gone():
    model = planted()
    *on_the_way, last = rnp(model, coloured_set(), *asked("rnp", **EXACT, steps=60))
    assert BAD in last.found["cut"]["bn2"]
    assert {step.found for step in on_the_way} == {None}
    assert [step.step for step in on_the_way] + [last.step] == list(range(1, 61))
    accuracy, success = rates(model)
    assert accuracy > 0.9 and success < 0.2


def test_unlearning_ends_where_little_more_than_chance_is_left(monkeypatch):
    seen = {}

    def spy(channels, mask, below, tolerance, batches):
        seen["channels"], seen["mask"] = channels, mask
        return torch.tensor([], dtype=torch.long)

    monkeypatch.setattr(module, "prune", spy)
    masked = []
    real = module.channels_of

    def kept(model, method):
        masked.append(real(model, method))
        return masked[-1]

    monkeypatch.setattr(module, "channels_of", kept)
    model, clean = planted(), coloured_set()
    steps = list(rnp(model, clean, *asked("rnp", **EXACT, steps=60)))
    received, forgetful = masked
    assert received.model is model and forgetful.model is not model
    passes = steps[-1].found["unlearning_passes"]
    assert 1 < passes < 30
    losses = [s.loss for s in steps]
    # Recovery starts where unlearning ended; the two passes over that model differ by rounding.
    assert losses[passes - 1] == max(losses[:passes]) > 10 * losses[0], "it did not climb"
    assert losses[passes] == pytest.approx(losses[passes - 1], rel=1e-5), "it starts elsewhere"
    assert max(losses[passes:]) <= losses[passes - 1] * (1 + 1e-5)
    assert losses[-1] < losses[passes]
    x, y = clean.x.float() / 255, clean.y
    with batch_statistics(forgetful.model):
        accuracy = (forgetful.model(x).argmax(1) == y).double().mean()
        recovered = F.cross_entropy(forgetful.outputs(x, seen["mask"]), y)
    assert accuracy <= 1 / 4 + 3 / 4 / 9
    assert seen["mask"].min() >= 0 and seen["mask"].max() <= 1 and seen["mask"].min() < 0.9
    assert recovered < losses[passes]


def test_the_first_ascent_is_up_the_clipped_gradient(monkeypatch):
    copies = []
    monkeypatch.setattr(module, "only_trainable", lambda m, p: copies.append(m.requires_grad_()))
    model, clean = planted(), coloured_set()
    own, config = asked("rnp", **EXACT, steps=40, clip=0.01, unlearning_lr=2)
    next(rnp(model, clean, own, config))
    reference = planted().train()
    x, y = CleanBatches(clean, config, torch.device("cpu"))(0)
    gradients = torch.autograd.grad(F.cross_entropy(reference(x), y), list(reference.parameters()))
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    assert norm > 0.01
    for p, q, g in zip(copies[0].parameters(), reference.parameters(), gradients, strict=True):
        assert torch.allclose(p, q + 2 * 0.01 * g / norm, atol=1e-6)
    assert torch.equal(model.conv2.weight, planted().conv2.weight), "the model itself unlearned"


def test_a_loss_that_is_not_finite_ends_it_and_leaves_the_model():
    model = tiny()
    with torch.no_grad():
        model.linear.bias.fill_(torch.inf)
    own, config = asked("rnp", **EXACT, steps=20)
    with pytest.raises(Diverged, match="RNP's unlearning diverged .* smaller learning rate"):
        list(rnp(model, clean_set(), own, config))
    assert torch.equal(model.conv1.weight, tiny().conv1.weight)


def test_one_pass_is_too_few():
    with pytest.raises(ConfigError, match="steps: 1 pass does not suffice .* Use at least 2"):
        list(rnp(tiny(), clean_set(), *asked("rnp", **EXACT, steps=1)))


def test_a_transformer_has_channels_too():
    model = build_model("mini_vit", (3, 8, 8), 4)
    steps = list(rnp(model, coloured_set(), *asked("rnp", **EXACT, steps=6)))
    assert steps[-1].found is not None and steps[-1].step == 6
