"""Derivatives along directions against the Hessian's own products, operation by operation."""

import pytest
import torch
from torch import nn

from ngf_core.curvature import HessianOperator
from ngf_core.curvature.sharpness import Subject
from ngf_core.errors import NGFError

Y = torch.arange(7) % 3


def flat(middle: nn.Module, width: int = 6) -> tuple[nn.Module, torch.Tensor]:
    return nn.Sequential(nn.Linear(4, 6), middle, nn.Linear(width, 3)), torch.randn(7, 4)


def image(middle: nn.Module) -> tuple[nn.Module, torch.Tensor]:
    return (nn.Sequential(nn.Conv2d(2, 6, 2), middle, nn.Conv2d(6, 3, 2),
                          nn.AdaptiveAvgPool2d(1), nn.Flatten()), torch.randn(7, 2, 5, 5))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.TransformerEncoderLayer(4, 2, 6, batch_first=True)
        self.last = nn.Linear(4, 3)

    def forward(self, x):
        return self.last(self.encoder(x).mean(1))


def make(kind: str) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    made = {"layer norm": lambda: flat(nn.LayerNorm(6)),
            "plain layer norm": lambda: flat(nn.LayerNorm(6, elementwise_affine=False)),
            "silu": lambda: flat(nn.SiLU()), "mish": lambda: flat(nn.Mish()),
            "glu": lambda: flat(nn.GLU(), 3), "group norm": lambda: image(nn.GroupNorm(2, 6)),
            "instance norm": lambda: image(nn.InstanceNorm2d(6, affine=True)),
            "kept instance norm": lambda: image(nn.InstanceNorm2d(6, track_running_stats=True)),
            "attention": lambda: (Attention(), torch.randn(7, 5, 4))}
    net, x = made[kind]()
    return net.double().eval(), x.double()


@pytest.mark.parametrize("kind", ["layer norm", "plain layer norm", "silu", "mish", "glu",
                                  "group norm", "instance norm", "kept instance norm",
                                  "attention"])
def test_curvatures_against_the_hessian(kind):
    net, x = make(kind)
    subject = Subject(net, (x, Y), dtype=torch.float64)
    hessian = HessianOperator(net, (x, Y), dtype=torch.float64)
    v = torch.randn(subject.size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = (v @ (hessian @ v)).item()
    assert subject.curvatures(v).mean().item() == pytest.approx(expected, rel=1e-9)


def test_an_operation_without_such_a_derivative():
    net, x = flat(nn.Hardsigmoid())
    subject = Subject(net, (x, Y))
    with pytest.raises(NGFError, match="without a second forward derivative"):
        subject.curvatures(torch.ones(subject.size))


def test_the_fast_path_of_attention_is_left_as_it_was():
    net, x = make("attention")
    Subject(net, (x, Y), dtype=torch.float64).losses(torch.cat([p.reshape(-1) for p in
                                                                net.parameters()]).detach())
    assert torch.backends.mha.get_fastpath_enabled()


def test_shuffled_data_are_refused():
    net, x = flat(nn.Tanh())
    batches = [(x[:4], Y[:4]), (x[4:], Y[4:])]
    subject = Subject(net, batches)
    subject.losses(subject.weights)
    subject.losses(subject.weights)
    batches.reverse()
    with pytest.raises(NGFError, match="not the same at every pass"):
        subject.losses(subject.weights)
