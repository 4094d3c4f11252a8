"""Rows of every Fisher matrix against the dense one in float64."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, hessian

from ngf_core.fisher.per_sample import tap, tap_all
from ngf_core.fisher.rows import (
    drawn_labels,
    empirical_rows,
    exact_rows,
    fisher_rows,
    is_last_layer,
    joint_rows,
    last_layer_matrix,
    last_layer_rows,
    sampled_rows,
)
from tests.support.dense_fisher import empirical_fisher, tiny, true_fisher
from tests.support.seeded import seeded


def matrix(rows: torch.Tensor) -> torch.Tensor:
    return rows.T @ rows


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return torch.allclose(a, b, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("name", ["conv", "linear"])
def test_empirical(name):
    model, x, y = tiny()
    rows = empirical_rows(tap(model, getattr(model, name), x), y)
    assert rows.shape[0] == 5 and close(matrix(rows), empirical_fisher(model, name, x, y))


@pytest.mark.parametrize("name", ["conv", "linear"])
def test_exact(name):
    model, x, _ = tiny()
    rows = exact_rows(tap(model, getattr(model, name), x))
    assert rows.shape[0] == 15 and close(matrix(rows), true_fisher(model, name, x))


def test_the_last_layer_in_closed_form():
    model, x, _ = tiny()
    tapped = tap(model, model.linear, x)
    assert is_last_layer(tapped) and not is_last_layer(tap(model, model.conv, x))
    assert close(matrix(last_layer_rows(tapped)), true_fisher(model, "linear", x))
    assert close(last_layer_matrix(tapped), true_fisher(model, "linear", x))


def test_on_the_last_layer_it_is_the_hessian():
    model, x, y = tiny()
    every = {n: p.detach() for n, p in model.named_parameters()} | dict(model.named_buffers())
    shape = model.linear.weight.shape

    def loss(w: torch.Tensor) -> torch.Tensor:
        weights = {"linear.weight": w[: shape.numel()].view(shape),
                   "linear.bias": w[shape.numel() :]}
        return nn.functional.cross_entropy(functional_call(model, every | weights, (x,)), y)

    w = torch.cat([model.linear.weight.detach().flatten(), model.linear.bias.detach()])
    assert close(matrix(last_layer_rows(tap(model, model.linear, x))), hessian(loss)(w))


def test_sampled_labels_are_unbiased():
    model, x, _ = tiny(3)
    tapped, truth = tap(model, model.conv, x), true_fisher(model, "conv", x)
    along = [truth / truth.norm(), torch.eye(len(truth), dtype=truth.dtype)]
    draws, generator = 400, seeded()
    seen = torch.stack([torch.stack([(matrix(sampled_rows(tapped, generator)) * a).sum()
                                     for a in along]) for _ in range(draws)])
    error = seen.std(0) / draws**0.5
    expected = torch.stack([(truth * a).sum() for a in along])
    assert ((seen.mean(0) - expected).abs() < 4 * error).all()
    assert (error < 0.05 * expected).all()


def test_sampled_rows_are_gradients_at_the_drawn_labels():
    model, x, _ = tiny()
    tapped = tap(model, model.conv, x)
    one = sampled_rows(tapped, seeded(1))
    assert one.shape[0] == 5 and torch.equal(one, sampled_rows(tapped, seeded(1)))
    possible = torch.stack([empirical_rows(tapped, torch.full((5,), c)) for c in range(3)])
    assert ((possible - one).abs().amax(2) < 1e-14).sum(0).tolist() == [1] * 5


@pytest.mark.parametrize("order", [("conv", "linear"), ("linear", "conv")])
def test_the_rows_of_several_layers_are_blocks_at_the_same_labels(order):
    model, x, y = tiny()
    taps = tap_all(model, [getattr(model, name) for name in order], x)
    for kind in ("true", "empirical"):
        labels = y if kind == "empirical" else drawn_labels(taps[0], seeded(2))
        found = list(joint_rows(kind, taps, y, seeded(2)))
        assert len(found) == 2
        for rows, name in zip(found, order):
            expected = empirical_rows(tap(model, getattr(model, name), x), labels)
            assert torch.allclose(rows, expected, rtol=1e-12)


def test_which_rows_a_kind_means():
    model, x, y = tiny()
    conv, last = tap(model, model.conv, x), tap(model, model.linear, x)
    for tapped in (conv, last):
        assert torch.equal(fisher_rows("empirical", tapped, y, seeded()), empirical_rows(tapped, y))
    assert torch.equal(fisher_rows("true", conv, y, seeded()), sampled_rows(conv, seeded()))
    assert torch.equal(fisher_rows("true", last, y, seeded()), last_layer_rows(last))
