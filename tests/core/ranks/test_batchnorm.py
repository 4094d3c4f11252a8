"""BatchNorm over ranks, of which there is one here: torch's own, forward and backward."""

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from ngf_core.ranks.batchnorm import WholeBatchStatistics, statistics
from tests.support.seeded import seeded

ONE = SimpleNamespace(count=1, rank=0, sum=torch.clone, join=lambda own, n: own)
LAYERS = {
    "2d": (lambda: nn.BatchNorm2d(3), (6, 3, 4, 5)),
    "1d": (lambda: nn.BatchNorm1d(3), (6, 3)),
    "sequences": (lambda: nn.BatchNorm1d(3), (6, 3, 7)),
    "3d": (lambda: nn.BatchNorm3d(3), (2, 3, 2, 3, 2)),
    "no weights": (lambda: nn.BatchNorm2d(3, affine=False), (6, 3, 4, 5)),
    "no running statistics": (lambda: nn.BatchNorm2d(3, track_running_stats=False), (6, 3, 4, 5)),
    "mean of all batches": (lambda: nn.BatchNorm2d(3, momentum=None), (6, 3, 4, 5)),
}


def results(layer: nn.Module, x: Tensor, inside: bool) -> dict[str, Tensor | None]:
    """Outputs, all gradients and the buffers after two passes."""
    x = x.detach().clone().requires_grad_()
    with WholeBatchStatistics(ONE) if inside else torch.enable_grad():
        y = layer(0.5 * x) + layer(x)
    weights = torch.randn(y.shape, generator=seeded(1), dtype=y.dtype)
    (y * weights).sum().backward()
    return {"y": y, "x": x.grad, **{name: p.grad for name, p in layer.named_parameters()},
            **dict(layer.named_buffers())}


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", LAYERS)
def test_it_is_torchs_own(name, layout):
    make, shape = LAYERS[name]
    layer, x = make().double(), 3 + torch.randn(shape, generator=seeded(), dtype=torch.float64)
    for p in layer.parameters():
        p.data += torch.randn(3, generator=seeded(2), dtype=torch.float64)
    if len(shape) == 4:
        x = x.contiguous(memory_format=layout)
    ours, theirs = (results(copy.deepcopy(layer), x, inside) for inside in (True, False))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_in_evaluation_mode_it_is_left_alone():
    layer, x = nn.BatchNorm2d(3).eval(), torch.randn(4, 3, 2, 2, generator=seeded())
    ours, theirs = (results(copy.deepcopy(layer), x, inside) for inside in (True, False))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_images_in_half_precision_have_statistics_in_float32():
    x = (100 + torch.randn(64, 3, 8, 8, generator=seeded())).bfloat16()
    found = statistics(x, ONE)
    assert found.n == 64 * 64 and found.mean.dtype == torch.float32
    torch.testing.assert_close(found.mean, x.double().mean((0, 2, 3)).float())
    torch.testing.assert_close(found.variance, x.double().var((0, 2, 3), correction=0).float())
    ours, theirs = (results(nn.BatchNorm2d(3), x, inside) for inside in (True, False))
    torch.testing.assert_close(ours, theirs, rtol=2e-2, atol=2e-2)


def test_one_number_per_channel_is_refused_as_torch_does():
    layer, x = nn.BatchNorm1d(3), torch.zeros(1, 3)
    for inside in (True, False):
        with pytest.raises(ValueError, match="more than"):
            results(layer, x, inside)


def test_statistics_of_several_ranks_without_large_differences():
    """Shares of unequal size, one empty, with means far from zero."""
    x = 1e6 + torch.randn(7, 2, 3, 3, generator=seeded(), dtype=torch.float64)
    rows: list[Tensor] = []
    asking = SimpleNamespace(count=3, join=lambda own, n: rows.append(own) or own)
    for share in (x[:5], x[5:], x[:0]):
        if len(share):
            statistics(share, asking)
        else:
            rows.append(torch.zeros(1, 5, dtype=torch.float64))
    found = statistics(x[:0], SimpleNamespace(count=3, join=lambda own, n: torch.cat(rows)))
    assert found.n == 63
    torch.testing.assert_close(found.mean, x.mean((0, 2, 3)), rtol=1e-14, atol=0)
    torch.testing.assert_close(found.variance, x.var((0, 2, 3), correction=0), rtol=1e-9, atol=0)
