"""A pre-activation block against its definition."""

import torch
from torch import nn

from ngf_core.models.build import build_model


def test_a_pre_activation_block_by_hand():
    model = build_model("mini_preact_resnet", (3, 32, 32), 10).eval()
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 16, 8, 8, generator=generator)
    block = model.blocks[1]
    for norm in (block.bn1, block.bn2):
        norm.running_mean.normal_(generator=generator)
        norm.running_var.uniform_(0.5, 2, generator=generator)

    def normed(norm: nn.BatchNorm2d, z: torch.Tensor) -> torch.Tensor:
        shape = (1, -1, 1, 1)
        z = (z - norm.running_mean.view(shape)) / (norm.running_var.view(shape) + norm.eps).sqrt()
        return (z * norm.weight.view(shape) + norm.bias.view(shape)).clamp(min=0)

    conv = nn.functional.conv2d
    active = normed(block.bn1, x)
    inner = normed(block.bn2, conv(active, block.conv1.weight, stride=2, padding=1))
    expected = conv(inner, block.conv2.weight, padding=1)
    expected = expected + conv(active, block.shortcut.weight, stride=2)
    assert torch.allclose(block(x), expected, atol=1e-5)
