"""The last layer in closed form against dense Hessians and against the operators."""

import pytest
import torch
from torch import nn

from ngf_core.curvature import FisherOperator, GGNOperator, HessianOperator
from ngf_core.curvature.operators.last_layer import LastLayer
from ngf_core.errors import ConfigError
from tests.support.dense_hessian import dense_hessian
from tests.support.known_spectra import descending
from tests.support.seeded import seeded
from tests.support.small_networks import case


def last_of(bias=True, samples=11):
    model, x, y = case("residual", samples)
    if not bias:
        model.linear = nn.Linear(2, 4, bias=False)
    model = model.double().eval()
    x = x.double()
    return model, x, y, LastLayer.of(model, model.linear, [(x[:4], y[:4]), (x[4:], y[4:])])


@pytest.mark.parametrize("bias", [True, False])
def test_products_and_the_dense_matrix_are_those_of_the_hessian(bias):
    model, x, y, last = last_of(bias)
    names = ["linear.weight", "linear.bias"][: 1 + bias]
    truth = dense_hessian(model, x, y, names)
    assert last.size == len(truth)
    assert torch.allclose(last.dense(), truth, atol=1e-12)
    products = torch.stack([last @ row for row in torch.eye(last.size).double()], 1)
    assert torch.allclose(products, truth, atol=1e-12) and last.products == last.size


@pytest.mark.parametrize("operator", [HessianOperator, GGNOperator, FisherOperator])
def test_hessian_gauss_newton_and_fisher_are_one_matrix_there(operator):
    model, x, y, last = last_of()
    graph = operator(model, (x, y), parameters=["linear.weight", "linear.bias"],
                     dtype=torch.float64)
    assert torch.allclose(graph.dense(), last.dense(), atol=1e-12)


@pytest.mark.parametrize("bias", [True, False])
def test_trace_norm_and_eigenvalues(bias, monkeypatch):
    monkeypatch.setattr("ngf_core.curvature.operators.last_layer.ROWS", 4)
    _, _, _, last = last_of(bias)
    truth = descending(last.dense())
    assert last.trace() == pytest.approx(truth.sum().item(), rel=1e-12)
    assert last.frobenius() == pytest.approx(truth.norm().item(), rel=1e-12)
    found = last.eigenvalues(3, seeded(0))
    assert torch.allclose(found.values, truth[:3], rtol=1e-5)
    assert found.converged.all()


def test_the_rank_is_at_most_that_of_all_classes_but_one():
    generator = seeded(0)
    last = LastLayer(torch.randn(60, 5, generator=generator).double(),
                     torch.randn(60, 4, generator=generator).double())
    values = descending(last.dense())
    assert (values > 1e-10).sum() == 3 * 6
    same = torch.cat([torch.randn(5, generator=generator).repeat(4), torch.ones(4)]).double()
    assert (last @ same).abs().max() < 1e-12


def test_labels_and_gradients_do_not_matter():
    model, x, y, last = last_of()
    other = LastLayer.of(model, model.linear, [(x, 3 - y)])
    assert torch.allclose(last.dense(), other.dense())
    assert all(p.grad is None for p in model.parameters())
    assert not last.dense().requires_grad


def test_a_model_in_training_is_measured_in_evaluation_and_left_as_it_was():
    model, x, y, last = last_of()
    model.train()
    before = {name: t.clone() for name, t in model.state_dict().items()}
    assert torch.equal(LastLayer.of(model, model.linear, (x, y)).dense(), last.dense())
    assert all(part.training for part in model.modules())
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())


def test_bytes_count_as_parts_of_255_and_vectors_are_taken_in_its_dtype():
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    x = torch.arange(60, dtype=torch.uint8).view(5, 3, 2, 2)
    last = LastLayer.of(net, net[1], (x, None))
    assert torch.equal(last.dense(), LastLayer.of(net, net[1], [(x / 255, None)]).dense())
    assert (last @ torch.ones(last.size, dtype=torch.float64)).dtype == torch.float32


def test_bad_input_is_named(monkeypatch):
    model, x, y, last = last_of()
    with pytest.raises(ConfigError, match="layer: it is a str"):
        LastLayer.of(model, "linear", [(x, y)])
    with pytest.raises(ConfigError, match="batches: there are none"):
        LastLayer.of(model, model.linear, [])
    two = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    with pytest.raises(ConfigError, match="layer: its output is not what the model returns"):
        LastLayer.of(two, two[0], [(torch.ones(3, 2), None)])
    with pytest.raises(ConfigError, match=r"features: shapes \(3, 2\) and \(4, 2\) do not fit"):
        LastLayer(torch.ones(3, 2), torch.ones(4, 2))
    with pytest.raises(ConfigError, match=r"Give a vector of shape \(12,\)"):
        last @ torch.ones(3)
    monkeypatch.setattr("ngf_core.curvature.operators.last_layer.LARGEST_DENSE", 4)
    with pytest.raises(ConfigError, match="a dense matrix of 12 parameters is too large"):
        last.dense()
