"""Methods that differentiate twice, on torch's attention, against attention written out by hand."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import linear, relu

from ngf_core.models.build import build_model
from ngf_core.purify.method import purifier
from tests.support.tiny_models import asked, clean_set, seeded_model

TWICE = [("fip", {"every": 1}), ("fip", {"every": 1, "fisher": "empirical"}),
         ("fip", {"every": 1, "released": True}), ("fast_fip", {"every": 1}),
         ("ibau", {"ascents": 1, "terms": 2})]
METHODS = pytest.mark.parametrize(("method", "own"), TWICE, ids=lambda value: str(value))


class WrittenOut(nn.TransformerEncoderLayer):
    """The same layer with every step of it in the open."""

    def forward(self, x: Tensor) -> Tensor:
        attention = self.self_attn
        q, k, v = linear(x, attention.in_proj_weight, attention.in_proj_bias).chunk(3, -1)
        heads = [t.unflatten(2, (attention.num_heads, -1)).transpose(1, 2) for t in (q, k, v)]
        weights = heads[0] @ heads[1].mT / heads[0].shape[-1] ** 0.5
        mixed = (weights.softmax(-1) @ heads[2]).transpose(1, 2).flatten(2)
        x = self.norm1(x + linear(mixed, attention.out_proj.weight, attention.out_proj.bias))
        return self.norm2(x + self.linear2(relu(self.linear1(x))))


class Encoder(nn.Module):
    """Patches, one encoder layer and a linear layer on the mean token; float64, four classes."""

    def __init__(self, kind: type[nn.TransformerEncoderLayer]) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.encoder = kind(8, 2, 16, dropout=0.0, batch_first=True)
        self.linear = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x.to(self.linear.weight)).flatten(2).transpose(1, 2)
        return self.linear(self.encoder(x).mean(1))


def tuned(model: nn.Module, method: str, own: dict[str, object]) -> nn.Module:
    settings, budget = asked(method, **{"steps": 10, "lr": 0.05} | own)
    steps = list(purifier(method)(model, clean_set(), settings, budget))
    assert len(steps) >= 2 and all(torch.isfinite(torch.tensor(s.loss)) for s in steps)
    return model


@METHODS
def test_an_encoder_layer_is_tuned_as_one_written_out(method, own):
    """By the last gradient, since Adam makes steps of roundoff too; Fast FIP leaves none there."""
    model, other, received = (seeded_model(Encoder, kind).double() for kind in (
        nn.TransformerEncoderLayer, WrittenOut, WrittenOut))
    tuned(model, method, own)
    tuned(other, method, own)
    for (name, p), q in zip(model.named_parameters(), other.parameters(), strict=True):
        found, expected = (p, q) if p.grad is None or q.grad is None else (p.grad, q.grad)
        assert torch.allclose(found, expected, rtol=1e-7, atol=1e-10), name
    assert (p.grad is None) == (method == "fast_fip")
    assert not torch.allclose(model.encoder.linear1.weight, received.encoder.linear1.weight)


@METHODS
def test_a_small_vision_transformer_is_tuned(method, own):
    tuned(build_model("mini_vit", (3, 8, 8), 4), method, own)
