"""NGF and SGD over several layers: against a dense matrix of all their parameters together."""

import math

import pytest
import torch
from torch import Tensor, nn

from ngf_core.fisher.natural import NaturalDirection
from ngf_core.fisher.per_sample import tap
from ngf_core.fisher.rows import drawn_labels
from ngf_core.models.build import tuned_layers
from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.methods.ngf import ngf
from ngf_core.purify.methods.sgd import sgd
from ngf_core.purify.weights import flat
from tests.support.tiny_models import asked, clean_set, seeded_model, tiny

METHODS = pytest.mark.parametrize("method", [ngf, sgd])
PLAIN = {"batchnorm": "frozen", "augment": "none"}


class Two(nn.Module):
    """Convolution, tanh, linear, in float64 on 3x4x4 images of three classes: 35 + 39 weights."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 2, stride=2, bias=False)
        self.linear = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(torch.tanh(self.conv(x.double())).flatten(1))


def two() -> Two:
    return seeded_model(Two).double()


def images(n: int):
    return clean_set(n, (3, 4, 4), 3)


def gradient(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    loss = nn.functional.cross_entropy(model(x), y)
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])


def fisher(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """1/n sum_i g_i g_i^T over all parameters, one sample at a time, at labels y."""
    rows = torch.stack([gradient(model, x[i:i + 1], y[i:i + 1]) for i in range(len(x))])
    return rows.T @ rows / len(x)


def set_to(model: nn.Module, w: Tensor) -> None:
    for p, part in zip(model.parameters(), w.split([p.numel() for p in model.parameters()])):
        p.data.copy_(part.view_as(p))


def by_hand(model: nn.Module, clean, own, config) -> tuple[Tensor, list[float]]:
    """All weights after config.steps explicit steps, and the length of each."""
    draws = torch.Generator().manual_seed(config.seed)

    def labels(x: Tensor, y: Tensor) -> Tensor:
        return y if own.fisher == "empirical" else drawn_labels(tap(model, model.conv, x), draws)

    batches, parameters = CleanBatches(clean, config, torch.device("cpu")), list(model.parameters())
    anchor, start, lengths, mean = 0.0, flat(parameters), [], None
    for x, y in batches.whole():
        anchor = anchor + fisher(model, x, labels(x, y)).diagonal() * len(y) / len(clean)
    for step in range(config.steps):
        x, y = batches(step)
        w = flat(parameters)
        g = gradient(model, x, y) + own.regulariser * anchor * (w - start)
        f = fisher(model, x, labels(x, y))
        f = mean = f if mean is None else own.decay * mean + (1 - own.decay) * f
        damped = f + own.damping * f.trace() / len(x) * torch.eye(len(f), dtype=f.dtype)
        d = torch.linalg.solve(damped, g)
        bound = own.kl_bound * 0.5 * (1 + math.cos(math.pi * step / config.steps))
        scale = min(1.0, math.sqrt(bound / float(d @ damped @ d)))
        lengths.append(scale**2 * float(d @ damped @ d))
        set_to(model, w - scale * d)
    return flat(parameters), lengths


@pytest.mark.parametrize("kind", ["true", "empirical"])
@pytest.mark.parametrize(("n", "batch"), [(20, 8), (160, 160)])  # fewer rows than weights, and more
@pytest.mark.parametrize("decay", [0.0, 0.7])
def test_steps_are_those_of_a_dense_solve_over_all_parameters(kind, n, batch, decay):
    own, config = asked("ngf", **PLAIN, layer="all", steps=3, kl_bound=0.05, batch_size=batch,
                        fisher=kind, damping=3.0, regulariser=50.0, decay=decay)
    model, expected = two(), two()
    found = list(ngf(model, images(n), own, config))
    weights, lengths = by_hand(expected, images(n), own, config)
    assert torch.allclose(flat(list(model.parameters())), weights, rtol=1e-5, atol=1e-7)
    assert [s.kl for s in found] == pytest.approx(lengths, rel=1e-5)


@METHODS
@pytest.mark.parametrize(("text", "names"), [
    ("conv1,linear", {"conv1", "linear"}), ("all", {"conv1", "conv2", "linear"}),
    ("linear, conv2", {"conv2", "linear"})])
def test_only_the_named_layers_change_and_batchnorm_does_not(method, text, names):
    received, model = tiny(), tiny()
    list(method(model, clean_set(), *asked(method.__name__, layer=text, batchnorm="frozen")))
    old = received.state_dict()
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, old[key])}
    assert changed == {key for key in old if key.split(".")[0] in names}


@METHODS
@pytest.mark.parametrize("pool", [0, 2])
def test_the_order_in_which_layers_are_named_does_not_matter(method, pool):
    models = [tiny(), tiny()]
    for model, text in zip(models, ("conv2,linear", "linear,conv2,linear")):
        list(method(model, clean_set(), *asked(method.__name__, layer=text, pool=pool)))
    assert torch.equal(*(flat(list(m.parameters())) for m in models))


@pytest.mark.parametrize("kind", ["true", "empirical", "kfac", "diagonal"])
def test_every_fisher_tunes_the_whole_network(kind):
    own, config = asked("ngf", layer="all", fisher=kind, steps=25, augment="none", batch_size=24,
                        kl_bound=0.3)
    losses = [s.loss for s in ngf(tiny(), clean_set(), own, config)]
    assert losses[-1] < 0.9 * losses[0]


class Identity:
    """The metric that is none: the natural gradient is the gradient."""

    def observe(self, taps, loss: Tensor, y: Tensor) -> Tensor:
        parameters = [p for tapped in taps for p in tapped.layer.parameters()]
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)])

    def solve(self, gradient: Tensor) -> NaturalDirection:
        return NaturalDirection(gradient, 0.0, float(gradient @ gradient))


@pytest.mark.parametrize("layer", ["conv2", "all"])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_with_the_natural_gradient_switched_off_it_is_torchs_sgd(monkeypatch, layer, momentum):
    monkeypatch.setattr("ngf_core.purify.methods.ngf.metric", lambda *_: Identity())
    own, config = asked("ngf", layer=layer, steps=6, batchnorm="frozen", augment="strong",
                        regulariser=0.0, kl_bound=100.0, rate=0.2, momentum=momentum)
    model, expected = tiny(), tiny().eval()
    losses = [s.loss for s in ngf(model, clean_set(), own, config)]
    tuned = [p for part in tuned_layers(expected, layer).values() for p in part.parameters()]
    optimiser = torch.optim.SGD(tuned, 0.2, momentum=momentum)
    batches, theirs = CleanBatches(clean_set(), config, torch.device("cpu")), []
    for step in range(5):  # the KL bound of the sixth is small enough to bind
        x, y = batches(step)
        loss = nn.functional.cross_entropy(expected(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        theirs.append(loss.item())
    x, y = batches(5)
    theirs.append(nn.functional.cross_entropy(expected(x), y).item())
    assert losses == pytest.approx(theirs, rel=1e-5)
    assert losses[-1] != pytest.approx(losses[0], rel=1e-2)
