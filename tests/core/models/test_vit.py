"""Our transformer against torchvision's, with the same weights."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, hessian

from ngf_core.data.torchvision_guard import torchvision
from ngf_core.models.build import build_model

NAMES = {"norm1": "ln_1", "norm2": "ln_2", "out": "self_attention.out_proj", "linear1": "mlp.0",
         "linear2": "mlp.3"}


def theirs(ours: nn.Module, side: int, width: int, depth: int, heads: int) -> nn.Module:
    """torchvision's network with our weights."""
    model = torchvision.models.VisionTransformer(side, ours.patch, depth, heads, width, 4 * width,
                                                 num_classes=10).double().eval()
    state = {"class_token": ours.token, "encoder.pos_embedding": ours.positions}
    for here, there in (("patches", "conv_proj"), ("norm", "encoder.ln"), ("linear", "heads.head")):
        for part, value in getattr(ours, here).named_parameters():
            state[f"{there}.{part}"] = value
    for i, block in enumerate(ours.blocks):
        prefix = f"encoder.layers.encoder_layer_{i}"
        for here, there in NAMES.items():
            for part, value in getattr(block, here).named_parameters():
                state[f"{prefix}.{there}.{part}"] = value
        for part, value in block.qkv.named_parameters():
            state[f"{prefix}.self_attention.in_proj_{part}"] = value
    model.load_state_dict(state)
    return model


@pytest.mark.parametrize(("side", "patch"), [(28, 4), (32, 4), (64, 8), (224, 16)])
def test_logits_are_those_of_torchvisions_transformer(side, patch):
    model = build_model("mini_vit", (3, side, side), 10).double().eval()
    assert model.patch == patch
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():  # at larger weights than at the start, biases too
            parameter.normal_(std=0.3, generator=generator)
        x = torch.rand(2, 3, side, side, generator=generator, dtype=torch.float64)
        expected = theirs(model, side, 64, 4, 4)((x - 0.5) * 4)
        assert torch.allclose(model(x), expected, rtol=1e-9, atol=1e-9)


def test_no_border_is_cut_off():
    model = build_model("mini_vit", (3, 30, 50), 10).eval()
    x = torch.full((1, 3, 30, 50), 0.5)
    with torch.no_grad():
        for row, column in ((0, 0), (29, 49), (29, 0), (0, 49)):
            changed = x.clone()
            changed[..., row, column] = 1
            assert not torch.equal(model(changed), model(x))


def test_it_has_second_derivatives():
    """What the spectra need; torch's fused attention has none on a processor."""
    model = build_model("mini_vit", (1, 8, 8), 3).double().eval()
    x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    name = "blocks.0.qkv.bias"
    rest = {n: p.detach() for n, p in model.named_parameters() if n != name}

    def loss(bias: torch.Tensor) -> torch.Tensor:
        return functional_call(model, rest | {name: bias}, (x,)).square().sum()

    at = model.blocks[0].qkv.bias.detach()
    matrix = hessian(loss)(at)
    assert torch.allclose(matrix, matrix.T, atol=1e-12) and matrix.abs().max() > 0
    step = 1e-4 * torch.ones_like(at)
    gradient = torch.func.grad(loss)
    along = (gradient(at + step) - gradient(at - step)) / 2
    assert torch.allclose(along, matrix @ step, rtol=1e-4, atol=1e-9)
