"""The order in memory, and the fault of torch that it goes round."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from ngf_core.models.build import build_model
from ngf_core.models.layout import in_safe_order, layout

CPU = torch.device("cpu")
GRADIENTS = """
import torch
from torch import nn
from ngf_core.models.layout import layout

model = nn.Conv2d(4, 8, 1, stride=2)
order = layout(model, torch.device("cpu"))
model.to(memory_format=order)
for _ in range(200):
    images = torch.randn(20, 4, 16, 16).contiguous(memory_format=order)
    torch.autograd.grad(model(images).square().sum(), model.weight)
"""
# The same with a model that comes in the other order.
WITHIN = """
import torch
from torch import nn
from ngf_core.models.layout import in_safe_order

model = nn.Conv2d(4, 8, 1, stride=2).to(memory_format=torch.channels_last)
with in_safe_order(model):
    for _ in range(200):
        images = torch.randn(20, 4, 16, 16).contiguous(memory_format=torch.channels_last)
        torch.autograd.grad(model(input=images).square().sum(), model.weight)
"""


@pytest.mark.parametrize(("part", "order"), [
    (nn.Conv2d(4, 8, 1, stride=2), torch.contiguous_format),
    (nn.Conv2d(8, 8, 1, stride=2), torch.channels_last),
    (nn.Conv2d(4, 8, 1), torch.channels_last),
    (nn.Conv2d(4, 8, 3, stride=2), torch.channels_last),
    (nn.Linear(4, 8), torch.channels_last)])
def test_channels_last_but_for_a_narrow_convolution_with_a_stride(part, order):
    assert layout(nn.Sequential(nn.ReLU(), part), CPU) == order


def test_on_a_gpu_channels_come_last():
    assert layout(nn.Conv2d(4, 8, 1, stride=2), torch.device("cuda")) == torch.channels_last


def test_so_they_do_in_the_zoo_s_network():
    assert layout(build_model("preact_resnet18_w16", (3, 32, 32), 10), CPU) == torch.channels_last


def test_a_narrow_convolution_is_given_its_images_in_the_safe_order():
    model = nn.Sequential(nn.Identity(), nn.Conv2d(4, 8, 1, stride=2))
    images = torch.randn(2, 4, 6, 6).contiguous(memory_format=torch.channels_last)
    taken = []
    model[1].register_forward_hook(lambda part, given, answer: taken.append(given[0]))
    with in_safe_order(model):
        inside = model(images)
    torch.testing.assert_close(model(images), inside)
    assert [x.is_contiguous() for x in taken] == [True, False]
    assert torch.equal(*taken)


def test_the_weights_keep_their_values_and_their_place_in_an_optimiser():
    part = nn.Conv2d(4, 8, 1, stride=2).to(memory_format=torch.channels_last)
    weight, before = part.weight, part.weight.detach().clone()
    assert weight.stride() == (4, 1, 4, 4)
    with in_safe_order(nn.Sequential(part)):
        assert part.weight is weight and weight.stride() == (4, 1, 1, 1)
        assert torch.equal(weight, before)


@pytest.mark.parametrize("program", [GRADIENTS, WITHIN])
def test_its_gradient_stays_within_its_memory(program):
    """Where channels come last, this ends in an abort."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          env={"ONEDNN_MAX_CPU_ISA": "AVX2", "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
