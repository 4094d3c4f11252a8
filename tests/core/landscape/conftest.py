"""Small networks in float64, data, and the plain loop that surfaces are compared with."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional


class SmallNet(nn.Module):
    """Convolution, BatchNorm with running statistics, linear layer; takes uint8 images."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.linear = nn.Linear(4, 3)

    def forward(self, x):
        if x.dtype == torch.uint8:
            x = x.to(self.linear.weight.dtype) / 255
        return self.linear(torch.relu(self.norm(self.conv(x))).mean((2, 3)))


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small lose more to waking threads than they gain from them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make_net():
    """make_net(seed) -> a float64 SmallNet with its own weights and running statistics."""

    def make(seed: int) -> nn.Module:
        generator = torch.Generator().manual_seed(seed)
        net = SmallNet().double().eval()
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
            net.norm.running_mean.copy_(torch.randn(4, generator=generator))
            net.norm.running_var.copy_(0.1 + torch.rand(4, generator=generator))
        return net

    return make


@pytest.fixture
def batches():
    """Two data sets; the first is longer than a chunk and no multiple of it."""
    generator = torch.Generator().manual_seed(99)

    def images(count: int):
        x = torch.randint(0, 256, (count, 2, 5, 5), generator=generator, dtype=torch.uint8)
        return x, torch.randint(0, 3, (count,), generator=generator)

    return {"clean": images(287), "triggered": images(20)}


@pytest.fixture
def loop_loss():
    """loop_loss(model, changes, batch): deepcopy, load_state_dict, one forward, mean loss."""

    def loss(model, changes, batch) -> float:
        moved = copy.deepcopy(model).eval()
        state = {name: t.clone() for name, t in model.state_dict().items()}
        for name, change in changes.items():
            state[name] = state[name] + change
        moved.load_state_dict(state)
        with torch.no_grad():
            return functional.cross_entropy(moved(batch[0]), batch[1]).item()

    return loss
