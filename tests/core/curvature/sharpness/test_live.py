"""Looks at a moving model: against dense matrices, with few products, honest about their error."""

import copy
from dataclasses import replace

import pytest
import torch

from ngf_core.curvature.sharpness import live as tracking
from ngf_core.curvature.sharpness.live import METRICS, fisher_trace, sharpness_point
from ngf_core.errors import ConfigError, NGFError
from tests.support.dense_hessian import dense_hessian
from tests.support.known_spectra import descending
from tests.support.seeded import seeded
from tests.support.sharpness_subjects import MODELS, dense_fisher
from tests.support.small_networks import case


@pytest.mark.parametrize("model", MODELS)
def test_lambda_max_is_within_its_residual_of_the_dense_one(model):
    net, x, y = case(model)
    found = sharpness_point(net, x, y)
    truth = descending(dense_hessian(net, x, y))[0].item()
    assert abs(truth - found.lambda_max) <= found.lambda_error + 1e-5
    assert found.lambda_error <= tracking.TOLERANCE * found.lambda_max
    assert set(found.metrics()) == set(METRICS)


def test_a_warm_start_needs_fewer_products_for_a_model_that_moved_a_little():
    net, x, y = case("residual")
    first = sharpness_point(net, x, y)
    moved = copy.deepcopy(net)
    for p in moved.parameters():
        p.data *= 1 + 0.01 * torch.randn(p.shape, generator=seeded(5))
    second = sharpness_point(moved, x, y, first)
    assert second.products < first.products and second.products <= tracking.LATER[1]
    truth = descending(dense_hessian(moved, x, y))[0].item()
    assert abs(second.lambda_max - truth) <= second.lambda_error + 1e-5


def test_an_eigenvector_that_was_overtaken_is_left():
    """From the second eigenvector alone Lanczos would stay there: the gradient leads away."""
    net, x, y = case("residual")
    values, vectors = torch.linalg.eigh(dense_hessian(net, x, y))
    second = replace(sharpness_point(net, x, y), vector=vectors[:, -2].float())
    found = sharpness_point(net, x, y, second)
    assert found.lambda_max > (values[-1] + values[-2]) / 2


def test_the_fisher_trace_is_unbiased_and_its_error_covers_the_probes():
    net, x, _ = case("residual", 40)
    truth = dense_fisher(net.double().eval(), x.double()).trace().item()
    found = torch.tensor([fisher_trace(net, x, seed) for seed in range(200)], dtype=torch.float64)
    values, errors = found.unbind(1)
    assert abs(values.mean() - truth) < 4 * values.std() / 200**0.5
    # 68 % of a normal; eight skewed blocks cover a little less.
    assert ((values - truth).abs() <= errors).double().mean() > 0.55


def test_a_block_a_probe_is_less_noisy_than_one_probe_over_all():
    net, x, _ = case("residual", 40)
    def spread(block):
        return torch.tensor([fisher_trace(net, x, s, block)[0] for s in range(60)]).std()
    assert spread(5) < 0.8 * spread(40)


def test_uneven_blocks_weigh_by_their_images():
    net, x, _ = case("linear", 7)
    whole = fisher_trace(net, x, 3, 5)[0]
    blocks = [fisher_trace(net, part, 3, 5)[0] for part in x.split(5)]
    first = blocks[0]
    assert whole != pytest.approx(sum(blocks) / 2)
    truth = dense_fisher(net.double().eval(), x.double()).trace().item()
    values = torch.tensor([fisher_trace(net, x.double(), s, 5)[0] for s in range(200)])
    assert abs(values.mean() - truth) < 4 * values.std() / 200**0.5 and first > 0


def test_looks_repeat_and_touch_nothing():
    net, x, y = case("conv_bn")
    net[0].weight.requires_grad_(False)
    before, state = copy.deepcopy(net.state_dict()), torch.random.get_rng_state()
    one, two = sharpness_point(net, x, y), sharpness_point(net, x, y)
    assert one.metrics() == two.metrics() and torch.equal(one.vector, two.vector)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert net.training and not net[0].weight.requires_grad and net[3].weight.requires_grad
    assert all(p.grad is None for p in net.parameters())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_frozen_layers_count_too():
    """While one layer is tuned the others are frozen; the Hessian is that of all."""
    net, x, y = case("conv_bn")
    everything = sharpness_point(net, x, y).metrics()
    net.requires_grad_(False)[0].requires_grad_(True)
    assert sharpness_point(net, x, y).metrics() == everything


def test_what_cannot_be_looked_at_is_refused():
    net, x, y = case("linear")
    with pytest.raises(ConfigError, match="block"):
        fisher_trace(net, x, 0, 0)
    net[1].weight.data.fill_(torch.inf)
    with pytest.raises(NGFError, match="not finite"):
        sharpness_point(net, x, y)
