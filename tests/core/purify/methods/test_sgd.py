"""SGD and full fine-tuning against torch.optim.SGD's rule written out."""

import math

import pytest
import torch
from torch import nn

from ngf_core.purify import SGD, FineTuning
from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.methods.finetune import finetune
from ngf_core.purify.methods.sgd import sgd
from ngf_core.purify.step import Diverged
from tests.support.tiny_models import LinearModel, asked, clean_set, seeded_model, settings, tiny


def by_hand(model: nn.Module, names: list[str], lr: float, config) -> list[float]:
    """v <- 0.9 v + g, w <- w - lr_t v with a cosine; the losses before each step."""
    model.eval()
    parameters = [dict(model.named_parameters())[name] for name in names]
    velocity = [torch.zeros_like(p) for p in parameters]
    batches = CleanBatches(clean_set(), config, torch.device("cpu"))
    losses = []
    for step in range(config.steps):
        x, y = batches(step)
        loss = nn.functional.cross_entropy(model(x), y)
        rate = lr * 0.5 * (1 + math.cos(math.pi * step / config.steps))
        for k, g in enumerate(torch.autograd.grad(loss, parameters)):
            velocity[k] = 0.9 * velocity[k] + g
            parameters[k].data -= rate * velocity[k]
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize(("method", "own", "names", "rate"), [
    (sgd, SGD(layer="conv2", lr=0.3), ["conv2.weight", "conv2.bias"], 0.3),
    (sgd, SGD(layer="conv1,linear", lr=0.3), ["conv1.weight", "linear.weight", "linear.bias"], 0.3),
    (finetune, FineTuning(lr=0.02), [name for name, _ in tiny().named_parameters()], 0.02)])
def test_the_rule_written_out(method, own, names, rate):
    config = settings(steps=6, batchnorm="frozen", augment="strong")
    model, expected = tiny(), tiny()
    losses = [s.loss for s in method(model, clean_set(), own, config)]
    assert losses == pytest.approx(by_hand(expected, names, rate, config), rel=1e-5)
    for p, q in zip(model.parameters(), expected.parameters()):
        assert torch.allclose(p, q, rtol=1e-4, atol=1e-6)


def test_sgd_reports_no_kl():
    assert {s.kl for s in sgd(tiny(), clean_set(), *asked("sgd"))} == {None}


class Exploding(LinearModel):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(1e200 * x.double())


@pytest.mark.parametrize(("method", "own"), [(sgd, SGD(layer="linear", lr=10.0)),
                                             (finetune, FineTuning(lr=10.0))])
def test_a_diverging_run_says_so_after_what_it_had(method, own):
    model = seeded_model(Exploding, 192, 4).double()
    steps = method(model, clean_set(), own, settings(steps=50, batchnorm="frozen"))
    assert next(steps).step == 1
    sentence = "diverged at step .*no longer finite. Use a smaller learning"
    with pytest.raises(Diverged, match=sentence):
        list(steps)
