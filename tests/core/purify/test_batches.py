"""BatchNorm recalibration, flat vectors, the schedule and the clock against sums by hand."""

import time

import pytest
import torch
from torch import nn

from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.batchnorm import CALIBRATION_BATCHES, recalibrate_batchnorm
from ngf_core.purify.step import Stopwatch, cosine
from ngf_core.purify.weights import assign, flat, only_trainable
from tests.support.tiny_models import clean_set, settings, tiny


def test_recalibrated_statistics_are_means_over_the_tuning_batches():
    model = tiny().double().eval()
    for norm in (model.bn1, model.bn2):
        norm.running_mean.fill_(9)
        norm.running_var.fill_(9)
    clean = CleanBatches(clean_set(), settings(), torch.device("cpu"))

    def batches(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        x, y = clean(step)
        return x.double(), y

    recalibrate_batchnorm(model, batches)

    def moments(z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        columns = z.transpose(0, 1).flatten(1)
        return columns.mean(1), columns.var(1, unbiased=True)

    def normed(norm: nn.BatchNorm2d, z: torch.Tensor) -> torch.Tensor:
        mean = z.mean((0, 2, 3), keepdim=True)
        var = z.var((0, 2, 3), unbiased=False, keepdim=True)
        return (z - mean) / (var + norm.eps).sqrt()  # weight 1, bias 0

    first, second = [], []
    with torch.no_grad():
        for step in range(CALIBRATION_BATCHES):
            z = model.conv1(batches(step)[0])
            first.append(moments(z))
            second.append(moments(model.conv2(torch.relu(normed(model.bn1, z)))))
    for norm, seen in ((model.bn1, first), (model.bn2, second)):
        for buffer, k in ((norm.running_mean, 0), (norm.running_var, 1)):
            assert torch.allclose(buffer, torch.stack([s[k] for s in seen]).mean(0), rtol=1e-9)


def test_recalibration_leaves_momentum_and_mode_as_in_tuning():
    model = tiny().eval()
    model.bn1.momentum = 0.3
    recalibrate_batchnorm(model, CleanBatches(clean_set(), settings(), torch.device("cpu")))
    assert (model.bn1.momentum, model.bn2.momentum) == (0.3, 0.1)
    assert not any(m.training for m in model.modules())


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_flat_and_assign_are_inverse_in_any_memory_format(memory):
    model = tiny().to(memory_format=memory)
    parameters = list(model.parameters())
    vector = flat(parameters)
    by_hand = [v for p in parameters for v in p.detach().contiguous().view(-1).tolist()]
    assert vector.tolist() == by_hand
    kept = vector.clone()
    assign(parameters, vector + 1)
    assert torch.equal(vector, kept), "flat gave a view"
    assert torch.equal(flat(parameters), kept + 1)


def test_the_cosine():
    assert cosine(0, 10) == 1 and cosine(5, 10) == pytest.approx(0.5)
    assert cosine(10, 10) == pytest.approx(0) and 0 < cosine(9, 10) < 0.05
    assert cosine(0, 1) == 1


def test_only_trainable():
    model = tiny()
    only_trainable(model, list(model.conv2.parameters()))
    assert {n for n, p in model.named_parameters() if p.requires_grad} == {
        "conv2.weight", "conv2.bias"}
    assert not model.training and not model.bn1.training


def test_the_clock_stands_still_between_the_steps(monkeypatch):
    now = iter([10.0, 11.5, 100.0, 100.25])
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    watch = Stopwatch()
    with watch:
        pass
    with watch:
        pass
    assert watch.seconds == 1.75
