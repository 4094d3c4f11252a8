"""Fast FIP: only the singular values move, by the gradient that the chain rule gives them."""

import pytest
import torch
import torch.nn.functional as F

from ngf_core.models.build import tunable_layers
from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.methods.fast_fip import SpectralShift, fast_fip
from ngf_core.purify.step import Diverged
from tests.support.tiny_models import Cliff, asked, clean_set, seeded_model, tiny


def of(**changes: object):
    return asked("fast_fip", **{"batchnorm": "frozen"} | changes)


def test_a_shift_of_zero_is_the_weight_and_another_moves_its_spectrum():
    generator = torch.Generator().manual_seed(4)
    weight = torch.randn(5, 2, 3, 3, generator=generator, dtype=torch.float64)
    shift = SpectralShift.of(weight)
    assert torch.allclose(shift.weight(), weight) and shift.delta.shape == (5,)
    values = torch.linalg.svdvals(weight.flatten(1))
    with torch.no_grad():
        shift.delta.copy_(torch.tensor([0.5, 0.4, 0.0, -0.1, -99.0]))
    expected = torch.relu(values + shift.delta).sort(descending=True).values
    found = torch.linalg.svdvals(shift.weight().flatten(1))
    assert torch.allclose(found, expected) and found[-1].item() == pytest.approx(0, abs=1e-12)


def test_only_weights_change_and_only_their_spectrum():
    received, model = tiny(), tiny()
    list(fast_fip(model, clean_set(), *of(lr=0.05, steps=18)))
    old = dict(received.named_parameters())
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, old[name])}
    assert moved == {"conv1.weight", "conv2.weight", "linear.weight"}
    for name, layer in tunable_layers(model).items():
        left, values, right = torch.linalg.svd(old[f"{name}.weight"].flatten(1), False)
        core = left.T @ layer.weight.flatten(1) @ right.T
        off = core - core.diagonal().diag()
        assert off.abs().max() < 1e-5 < (core.diagonal() - values).abs().max()


def test_without_fisher_terms_one_update_is_the_chain_rule():
    own, config = of(eta_f=0, eta_r=0, lr=0.1, steps=1)
    model, other = tiny(), tiny().eval()
    (step,) = fast_fip(model, clean_set(), own, config)
    x, y = CleanBatches(clean_set(), config, torch.device("cpu"))(0)
    loss = F.cross_entropy(other(x), y)
    loss.backward()
    assert step.loss == pytest.approx(loss.item(), rel=1e-5)
    for name, layer in tunable_layers(other).items():
        left, values, right = torch.linalg.svd(layer.weight.detach().flatten(1), False)
        slope = (left.T @ layer.weight.grad.flatten(1) @ right.T).diagonal()
        expected = left @ torch.diag(values - 0.1 * slope) @ right
        found = model.get_submodule(name).weight.flatten(1)
        assert torch.allclose(found, expected, atol=1e-5)


def test_the_model_is_written_after_each_update():
    model = tiny()
    last = model.conv1.weight.detach().clone()
    for _ in fast_fip(model, clean_set(), *of(lr=0.05, steps=9)):
        assert not torch.equal(last, model.conv1.weight)
        last = model.conv1.weight.detach().clone()


def test_a_diverging_run_puts_the_finite_weights_back():
    model, kept = seeded_model(Cliff), [tiny().linear.weight]
    with pytest.raises(Diverged, match="Fast FIP diverged after"):
        for _ in fast_fip(model, clean_set(), *of(eta_f=0, eta_r=0, lr=0.05, steps=200)):
            kept.append(model.linear.weight.detach().clone())
    assert len(kept) > 2 and torch.equal(model.linear.weight, kept[-2])
