"""Fine-Pruning: what counts as dormant, how much is cut, and that it stays cut."""

import pytest
import torch

from ngf_core.errors import ConfigError
from ngf_core.models.build import build_model
from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.channels import convolutions
from ngf_core.purify.methods.fine_pruning import activations, dormant, fine_pruning, without
from ngf_core.purify.pruning import clean_accuracy
from ngf_core.purify.step import Diverged
from tests.support.planted_backdoor import BAD, coloured_set, planted, rates
from tests.support.tiny_models import asked, clean_set, settings, tiny

CPU = torch.device("cpu")
EXACT = {"batchnorm": "frozen", "augment": "none"}


def batches(clean=None, **changes) -> CleanBatches:
    return CleanBatches(clean or coloured_set(), settings(**EXACT | changes), CPU)


def test_a_planted_channel_is_dormant_and_cut_and_the_backdoor_gone():
    model = planted()
    assert rates(model) == (1, 1)
    steps = list(fine_pruning(model, coloured_set(), *asked("fine_pruning", **EXACT, steps=10)))
    assert BAD in steps[0].found["cut"]["conv2"]
    accuracy, success = rates(model)
    assert accuracy > 0.95 and success < 0.2


def test_activation_is_the_mean_behind_batchnorm_and_relu():
    model, clean = planted(), coloured_set(21)
    last = convolutions(model, clean.shape, "it")[-1]
    x = clean.x.float() / 255
    active = model.bn2(model.conv2(model.bn1(model.conv1(x)).relu())).relu()
    expected = active.mean((0, 2, 3))
    assert torch.allclose(activations(model, last, batches(clean, batch_size=8)), expected)
    assert expected.argmin() == BAD


def test_activation_of_a_residual_branch_is_its_mean_size():
    model, clean = build_model("mini_preact_resnet", (3, 8, 8), 4).eval(), clean_set(5)
    last = convolutions(model, clean.shape, "it")[-1]
    outs = []
    model.blocks[2].conv2.register_forward_hook(lambda *seen: outs.append(seen[2]))
    model(clean.x.float() / 255)
    expected = outs[0].abs().mean((0, 2, 3))
    assert last.name == "blocks.2.conv2"
    assert torch.allclose(activations(model, last, batches(clean)), expected)


@pytest.mark.parametrize("tolerance", [0.0, 0.1, 0.3, 1.0])
def test_accuracy_falls_by_at_most_the_tolerance(tolerance):
    model, own = planted(), batches()
    last = convolutions(model, (3, 8, 8), "it")[-1]
    before = clean_accuracy(model, own)
    cut = dormant(model, last, own, tolerance)
    order = activations(model, last, own).argsort()
    assert cut.tolist() == order[: len(cut)].tolist()
    with without(last, cut):
        assert clean_accuracy(model, own) >= before - tolerance
    assert clean_accuracy(model, own) == before, "looking changed the model"
    if tolerance == 1:
        assert len(cut) == 11, "all but one"
    else:
        with without(last, order[: len(cut) + 1]):
            assert clean_accuracy(model, own) < before - tolerance


def test_what_was_cut_stays_cut():
    model = planted()
    for step in fine_pruning(model, coloured_set(), *asked("fine_pruning", **EXACT, steps=5)):
        cut = step.found["cut"]["conv2"]
        assert cut and not model.conv2.weight[cut].any()
        assert not model.bn2.weight[cut].any() and not model.bn2.bias[cut].any()


def test_what_was_cut_of_a_residual_branch_stays_cut():
    model = build_model("mini_preact_resnet", (3, 8, 8), 4)
    own, config = asked("fine_pruning", **EXACT, steps=3, tolerance=1)
    for step in fine_pruning(model, clean_set(), own, config):
        cut = step.found["cut"]["blocks.2.conv2"]
        assert len(cut) == 63 and not model.blocks[2].conv2.weight[cut].any()


def test_a_diverging_run_says_so():
    own, config = asked("fine_pruning", **EXACT, steps=60, lr=10)
    model = tiny()
    with torch.no_grad():
        model.linear.weight.mul_(1e18)
    with pytest.raises(Diverged, match="Fine-Pruning diverged"):
        list(fine_pruning(model, clean_set(), own, config))


def test_a_network_without_convolutions_is_refused():
    model = build_model("mini_vit", (3, 8, 8), 4)
    with pytest.raises(ConfigError, match="Fine-Pruning cuts channels of conv.* has 1. Use anp"):
        list(fine_pruning(model, clean_set(), *asked("fine_pruning")))
