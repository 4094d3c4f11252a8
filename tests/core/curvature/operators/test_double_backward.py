"""The lean second derivatives are torch's own, for every shape of layer."""

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from ngf_core.curvature.operators.double_backward import CheapDoubleBackward, _Forward

LAYERS = {
    "plain": (lambda: nn.Conv2d(2, 3, 3, bias=False), (2, 2, 5, 5)),
    "bias, stride, padding": (lambda: nn.Conv2d(2, 3, 3, 2, 1), (2, 2, 5, 5)),
    "uneven, dilated": (lambda: nn.Conv2d(2, 3, (3, 1), (1, 2), (0, 1), (2, 1)), (2, 2, 5, 5)),
    "groups": (lambda: nn.Conv2d(4, 4, 3, groups=2), (2, 4, 4, 4)),
    "one axis": (lambda: nn.Conv1d(2, 3, 3), (2, 2, 6)),
    "three axes": (lambda: nn.Conv3d(1, 2, 2), (2, 1, 3, 3, 3)),
    "same": (lambda: nn.Conv2d(2, 2, 3, padding="same"), (1, 2, 4, 4)),
    "reflected": (lambda: nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"), (1, 2, 4, 4)),
    "one image": (lambda: nn.Conv2d(2, 2, 3), (2, 4, 4)),
    "batchnorm": (lambda: nn.BatchNorm2d(2), (2, 2, 3, 3)),
    "batchnorm of features": (lambda: nn.BatchNorm1d(3), (4, 3)),
    "batchnorm without scale": (lambda: nn.BatchNorm2d(2, affine=False), (2, 2, 3, 3)),
    "batchnorm of the batch": (lambda: nn.BatchNorm2d(2, track_running_stats=False),
                               (2, 2, 3, 3)),
}
# Those that keep torch's own derivatives.
LEFT = {"same", "one image", "batchnorm of the batch"}


def layer(name):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        build, shape = LAYERS[name]
        made = build().double().eval()
        for p in made.parameters():
            p.data += 0.3 * torch.randn_like(p)
        if getattr(made, "running_var", None) is not None:
            made.running_mean.normal_()
            made.running_var.uniform_(0.5, 2)
        return made, torch.randn(shape, dtype=torch.float64, requires_grad=True)


def called(made, x):
    names = [name for name, _ in made.named_parameters()]

    def function(x, *weights):
        with CheapDoubleBackward(twice=True):
            return torch.func.functional_call(made, dict(zip(names, weights, strict=True)), (x,))

    return function, (x, *(p.detach().clone().requires_grad_() for p in made.parameters()))


@pytest.mark.parametrize("name", LAYERS)
def test_first_and_second_derivatives_are_those_of_finite_differences(name, monkeypatch):
    made, x = layer(name)
    function, arguments = called(made, x)
    assert torch.equal(function(*arguments), made(x)) or torch.allclose(function(*arguments),
                                                                        made(x), atol=1e-14)
    assert gradcheck(function, arguments)
    assert gradgradcheck(function, arguments)
    uses = []
    monkeypatch.setattr(_Forward, "apply", staticmethod(lambda *a: uses.append(a) or a[2]))
    function(*arguments)
    assert bool(uses) == (name not in LEFT)


@pytest.mark.parametrize("fixed", ["input", "weight", "bias", "input and weight"])
def test_where_some_of_them_are_fixed(fixed):
    made, x = layer("bias, stride, padding")
    function, arguments = called(made, x)
    for name, argument in zip(("input", "weight", "bias"), arguments, strict=True):
        argument.requires_grad_(name not in fixed)
    assert gradgradcheck(function, arguments)


def test_once_leads_back_to_the_cotangent_alone():
    made, x = layer("plain")
    u = torch.zeros(2, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    with CheapDoubleBackward(twice=False):
        pulled, = torch.autograd.grad(made(x), made.weight, u, create_graph=True)
    v = torch.randn_like(made.weight)
    du, dx = torch.autograd.grad(pulled, (u, x), v, allow_unused=True)
    assert dx is None
    assert torch.allclose(du, torch.func.jvp(lambda w: torch.conv2d(x, w), (made.weight,), (v,))[1])


def test_outside_nothing_is_changed():
    made, x = layer("plain")
    with CheapDoubleBackward(twice=True):
        inside = made(x)
    assert "Forward" in inside.grad_fn.name() and "Convolution" in made(x).grad_fn.name()
