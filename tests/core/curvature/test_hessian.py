"""Hessian products against a dense float64 Hessian and a second library."""

import pytest
import torch
from scipy.sparse.linalg import eigsh
from torch import nn

from ngf_core.curvature import HessianOperator
from ngf_core.errors import ConfigError, NGFError
from tests.core.curvature.dense import MODELS, case, dense_hessian, descending, seeded

IMAGES, LABELS = torch.zeros(11, 2, 5, 5), torch.zeros(11).long()


def close(matrix, truth, relative):
    assert (matrix.double() - truth).norm() <= relative * truth.norm()


@pytest.mark.parametrize("name", MODELS)
def test_float64_equals_the_dense_hessian(name):
    model, x, y = case(name)
    operator = HessianOperator(model, (x, y), dtype=torch.float64)
    truth = dense_hessian(model, x, y)
    close(operator.dense(), truth, 1e-12)
    assert operator.size == len(truth) == operator.products


@pytest.mark.parametrize("name", MODELS)
def test_float32_agrees_to_its_roundoff(name):
    model, x, y = case(name)
    close(HessianOperator(model, (x, y)).dense(), dense_hessian(model, x, y), 1e-5)


@pytest.mark.parametrize("batch_size", [4, 11, 100])
def test_every_sample_weighs_the_same_in_uneven_batches(batch_size):
    model, x, y = case("residual")
    operator = HessianOperator(model, (x, y), dtype=torch.float64, batch_size=batch_size)
    close(operator.dense(), dense_hessian(model, x, y), 1e-12)


def test_more_samples_than_fit_one_graph():
    model, x, y = case("linear", samples=117)
    operator = HessianOperator(model, (x, y), dtype=torch.float64)
    v = torch.randn(operator.size, generator=seeded(0), dtype=torch.float64)
    close(operator @ v, dense_hessian(model, x, y) @ v, 1e-12)


def test_named_parameters_even_if_frozen():
    model, x, y = case("residual")
    model.conv.weight.requires_grad_(False)
    names = ["linear.bias", "conv.weight"]
    operator = HessianOperator(model, (x, y), parameters=names, dtype=torch.float64)
    assert operator.size == 36 + 4
    close(operator.dense(), dense_hessian(model, x, y, names), 1e-12)


def test_frozen_parameters_are_left_out():
    model, x, y = case("residual")
    model.stem.weight.requires_grad_(False)
    everything = sum(p.numel() for p in model.parameters())
    operator = HessianOperator(model, (x, y), dtype=torch.float64)
    assert operator.size == everything - model.stem.weight.numel()
    close(operator.dense(), dense_hessian(model, x, y), 1e-12)


def test_uint8_images_count_as_fractions_of_255_exactly_in_float64():
    model, _, y = case("residual")
    images = torch.randint(0, 256, (len(y), 2, 5, 5), generator=seeded(0), dtype=torch.uint8)
    operator = HessianOperator(model, (images, y), dtype=torch.float64)
    close(operator.dense(), dense_hessian(model, images, y), 1e-12)


def test_unused_parameters_have_zero_curvature():
    model, x, y = case("linear")
    model.register_parameter("idle", nn.Parameter(torch.ones(3)))
    operator = HessianOperator(model, (x, y), dtype=torch.float64)
    close(operator.dense(), dense_hessian(model, x, y), 1e-12)
    assert not HessianOperator(model, (x, y), parameters=["idle"]).dense().any()


def test_agrees_with_curvlinops():
    from curvlinops import HessianLinearOperator

    model, x, y = case("residual")
    model = model.double().eval()
    theirs = HessianLinearOperator(model, nn.CrossEntropyLoss(), list(model.parameters()),
                                   [(x.double()[:4], y[:4]), (x.double()[4:], y[4:])])
    ours = HessianOperator(model, (x, y), dtype=torch.float64, batch_size=4)
    v = torch.randn(ours.size, generator=seeded(0), dtype=torch.float64)
    close(ours @ v, theirs @ v, 1e-10)


def test_scipy_finds_the_same_largest_eigenvalues():
    model, x, y = case("conv_bn")
    operator = HessianOperator(model, (x, y), dtype=torch.float64).scipy()
    values = torch.tensor(eigsh(operator, k=3, which="LA", return_eigenvectors=False))
    truth = descending(dense_hessian(model, x, y))[:3]
    assert torch.allclose(values.sort(descending=True).values, truth, rtol=1e-8)
    assert HessianOperator(model, (x, y)).scipy().dtype == "float32"


def test_the_model_is_left_as_it_was():
    model, x, y = case("residual")
    model.conv.weight.requires_grad_(False)
    model.linear.weight.grad = torch.full_like(model.linear.weight, 7)
    before = {n: t.clone() for n, t in model.state_dict().items()}
    operator = HessianOperator(model, (x, y))
    v = torch.ones(operator.size)
    first, second = operator @ v, HessianOperator(model, (x, y)) @ v
    assert torch.equal(first, second)
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())
    assert model.training and model.bn1.training
    assert not model.conv.weight.requires_grad
    assert (model.linear.weight.grad == 7).all()
    assert all(p.grad is None for n, p in model.named_parameters() if n != "linear.weight")
    with torch.no_grad():
        model.linear.weight.zero_()
    assert torch.equal(operator @ v, first)


def test_works_where_the_caller_switched_gradients_off():
    model, x, y = case("linear")
    expected = HessianOperator(model, (x, y)).dense()
    with torch.no_grad():
        assert torch.equal(HessianOperator(model, (x, y)).dense(), expected)


@pytest.mark.parametrize(("change", "message"), [
    ({"parameters": ["conv.wait"]}, "no parameter 'conv.wait'. Choose among stem.weight, bn1"),
    ({"parameters": []}, "none is chosen"),
    ({"dtype": torch.bfloat16}, "bfloat16 is too coarse"),
    ({"batch_size": 0}, "batch_size: 0 is out of range. Use a whole number of 1 or more"),
    ({"data": (IMAGES.int(), LABELS)}, "inputs: their type is torch.int32"),
    ({"data": (IMAGES[:0], LABELS[:0])}, "there are none"),
    ({"data": []}, "there are none"),
    ({"data": (IMAGES, LABELS[:10])}, r"shape \(10,\) do not label inputs of shape \(11, 2"),
    ({"data": (IMAGES, LABELS.float())}, "float32 of shape"),
    ({"data": (IMAGES, torch.full((11,), 4))}, "knows the labels 0 to 3"),
    ({"data": (IMAGES, torch.full((11,), -100))}, "labels run from -100 to -100"),
    ({"data": iter([(IMAGES, LABELS)])}, "it can be read only once"),
    ({"data": [IMAGES]}, "a batch is not a pair"),
    ({"data": 3}, "it is a int"),
    ({"data": [(IMAGES, [0] * 11)]}, "targets: they are a list"),
    ({"memory": 100}, "100 bytes are too few for the graph of one sample"),
    ({"loss": nn.CrossEntropyLoss(reduction="sum")}, "the mean over its parts is"),
    ({"loss": nn.CrossEntropyLoss(reduction="none")}, "loss: it does not return one number"),
    ({"loss": nn.CrossEntropyLoss(weight=torch.arange(1.0, 5))}, "without class weights"),
])
def test_bad_input_is_named(change, message):
    model, x, y = case("residual")
    with pytest.raises(ConfigError, match=message):
        HessianOperator(**({"model": model, "data": (x, y)} | change))


def test_a_model_without_trainable_parameters_is_named():
    model, x, y = case("residual")
    with pytest.raises(ConfigError, match="all are frozen"):
        HessianOperator(model.requires_grad_(False), (x, y))


def test_vectors_of_the_wrong_length_and_large_dense_matrices_are_refused():
    model, x, y = case("linear")
    with pytest.raises(ConfigError, match=r"Give a vector of shape \(204,\)"):
        HessianOperator(model, (x, y)) @ torch.ones(205)
    wide = nn.Sequential(nn.Flatten(), nn.Linear(50, 100))
    with pytest.raises(ConfigError, match="dense matrix of 5100 parameters"):
        HessianOperator(wide, (x, y)).dense()


def test_a_model_that_overflows_is_reported():
    model, x, y = case("residual")
    model.linear.weight.data.fill_(float("inf"))
    with pytest.raises(NGFError, match="not finite"):
        HessianOperator(model, (x, y))
