"""NGF's steps against an explicit dense solve in float64, its trust region and its mishaps."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from ngf_core.fisher import FISHERS
from ngf_core.fisher.metric import MeanMetric
from ngf_core.fisher.natural import NaturalDirection
from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.methods.ngf import _schedule, ngf
from ngf_core.purify.settings.ngf import PUBLISHED, PUBLISHED_BUDGET
from ngf_core.purify.step import Diverged
from ngf_core.purify.weights import flat
from tests.support.planted_backdoor import coloured_set, planted
from tests.support.tiny_models import LinearModel, asked, clean_set, seeded_model, tiny

EXACT = {"layer": "linear", "batchnorm": "frozen", "augment": "none"}


def features(x: torch.Tensor) -> torch.Tensor:
    """Pixels with a one for the bias."""
    a = x.double().flatten(1)
    return torch.cat([a, torch.ones(len(a), 1, dtype=torch.float64)], 1)


def fisher(a: torch.Tensor, w: torch.Tensor, y: torch.Tensor, kind: str) -> torch.Tensor:
    """Dense Fisher of softmax regression; w (C, features), flattened row by row."""
    p = (a @ w.T).softmax(1)
    total = 0
    for i in range(len(a)):
        labels = range(p.shape[1]) if kind == "true" else [int(y[i])]
        for c in labels:
            error = p[i] - nn.functional.one_hot(torch.tensor(c), len(p[i]))
            g = torch.outer(error, a[i]).flatten()
            total = total + (p[i, c] if kind == "true" else 1) * torch.outer(g, g)
    return total / len(a)


def by_hand(model: LinearModel, clean, own, config) -> tuple[torch.Tensor, list[float]]:
    """Weights (C, features + 1) after config.steps exact steps, and the length of each."""
    w = torch.cat([model.linear.weight, model.linear.bias[:, None]], 1).detach().clone()
    a_all = features(clean.x.float() / 255)
    anchor = fisher(a_all, w, clean.y, own.fisher).diagonal()
    start, lengths, mean = w.flatten(), [], None
    batches = CleanBatches(clean, config, torch.device("cpu"))
    for step in range(config.steps):
        x, y = batches(step)
        a = features(x)
        p = (a @ w.T).softmax(1)
        g = ((p - nn.functional.one_hot(y, 3)).T @ a / len(a)).flatten()
        g = g + own.regulariser * anchor * (w.flatten() - start)
        f = fisher(a, w, y, own.fisher)
        f = mean = f if mean is None else own.decay * mean + (1 - own.decay) * f
        rows = len(a) * (3 if own.fisher == "true" else 1)
        damped = f + own.damping * f.trace() / rows * torch.eye(len(f), dtype=torch.float64)
        d = torch.linalg.solve(damped, g)
        bound = own.kl_bound * 0.5 * (1 + math.cos(math.pi * step / config.steps))
        scale = min(1.0, math.sqrt(bound / float(d @ damped @ d)))
        lengths.append(scale**2 * float(d @ damped @ d))
        w = (w.flatten() - scale * d).view_as(w)
    return w, lengths


@pytest.mark.parametrize("kind", ["true", "empirical"])
@pytest.mark.parametrize(("steps", "kl_bound"), [(1, 100.0), (1, 1e-3), (3, 0.05)])
@pytest.mark.parametrize(("n", "batch"), [(20, 20), (4, 4), (20, 7)])
@pytest.mark.parametrize("decay", [0.0, 0.7])
def test_steps_are_those_of_an_explicit_dense_solve(kind, steps, kl_bound, n, batch, decay):
    own, config = asked("ngf", **EXACT, steps=steps, kl_bound=kl_bound, batch_size=batch,
                        fisher=kind, damping=3.0, regulariser=50.0, decay=decay)
    clean = clean_set(n, (1, 3, 4), 3)
    model = seeded_model(LinearModel).double()
    expected, lengths = by_hand(model, clean, own, config)
    found = list(ngf(model, clean, own, config))
    w = torch.cat([model.linear.weight, model.linear.bias[:, None]], 1).detach()
    assert torch.allclose(w, expected, rtol=1e-5, atol=1e-7)
    assert [s.kl for s in found] == pytest.approx(lengths, rel=1e-5)


def test_the_regulariser_pulls_back_to_the_received_weights():
    def moved(eta: float) -> float:
        model = tiny()
        start = flat(list(model.conv2.parameters()))
        list(ngf(model, clean_set(), *asked("ngf", regulariser=eta, steps=12)))
        return float((flat(list(model.conv2.parameters())) - start).norm())

    assert moved(1e4) < 0.5 * moved(0.0)


@pytest.mark.parametrize("bound", [1e-4, 1e-2, 1.0])
def test_every_step_keeps_to_its_kl_bound(bound):
    steps = list(ngf(tiny(), clean_set(), *asked("ngf", kl_bound=bound, steps=8)))
    bounds = [bound * 0.5 * (1 + math.cos(math.pi * k / 8)) for k in range(8)]
    assert all(0 <= s.kl <= b * (1 + 1e-6) for s, b in zip(steps, bounds))
    if bound == 1e-4:
        assert [s.kl for s in steps] == pytest.approx(bounds, rel=1e-5)


def test_the_length_is_about_twice_the_kl_divergence():
    clean = clean_set(20, (1, 3, 4), 3)
    own, config = asked("ngf", **EXACT, steps=1, kl_bound=1e-4, batch_size=20, damping=1e-6)
    model = seeded_model(LinearModel).double()
    x = clean.x.float() / 255
    with torch.no_grad():
        before = model(x).log_softmax(1)
    (step,) = ngf(model, clean, own, config)
    with torch.no_grad():
        after = model(x).log_softmax(1)
    kl = (before.exp() * (before - after)).sum(1).mean()
    assert step.kl / 2 == pytest.approx(kl.item(), rel=0.05)


def test_sampled_labels_follow_the_seed():
    losses = [[s.loss for s in ngf(tiny(), clean_set(), *asked("ngf", augment="none", batch_size=24,
                                                                 seed=seed))] for seed in (1, 2)]
    assert losses[0][0] == pytest.approx(losses[1][0])  # the whole set, in another order
    assert losses[0][2] != pytest.approx(losses[1][2], rel=1e-9)


def test_a_dead_layer_has_no_fisher_and_says_so():
    model = tiny()
    model.bn2.bias.data.fill_(-1e6)  # nothing passes the ReLU behind the tuned layer
    with pytest.raises(Diverged, match="NGF stopped at step 1. The Fisher matrix .* is zero"):
        list(ngf(model, clean_set(), *asked("ngf", batchnorm="frozen")))


@pytest.mark.parametrize("eta", [0.0, 0.1])
@pytest.mark.parametrize("kind", FISHERS)
def test_a_model_certain_of_its_images_takes_small_steps(kind, eta):
    model, clean = planted(), coloured_set()
    with torch.no_grad():
        for parameter in model.linear.parameters():
            parameter.mul_(4.5)
    x = clean.x.float() / 255

    def log_p() -> torch.Tensor:
        with torch.no_grad():
            return model(x).double().log_softmax(1)

    before = log_p()
    assert 1e-8 < nn.functional.nll_loss(before, clean.y) < 1e-6
    own, budget = asked("ngf", steps=16, batch_size=24, augment="none", batchnorm="frozen",
                        fisher=kind, kl_bound=0.3, damping=0.1, regulariser=eta)
    bounds = [0.3 * 0.5 * (1 + math.cos(math.pi * k / 16)) for k in range(16)]
    steps = 0
    for step, bound in zip(ngf(model, clean, own, budget), bounds):
        after = log_p()
        kl = (before.exp() * (before - after)).sum(1).mean()
        assert kl <= bound and step.kl <= bound * (1 + 1e-6)
        before, steps = after, steps + 1
    assert steps == 16


def breaking(monkeypatch, at: int, factor: float) -> None:
    """Multiply the direction of step `at` (from 1)."""
    true, calls = MeanMetric.solve, []

    def direction(self, gradient) -> NaturalDirection:
        found = true(self, gradient)
        calls.append(1)
        if len(calls) == at:
            return NaturalDirection(found.direction * factor, found.damping, found.length)
        return found

    monkeypatch.setattr(MeanMetric, "solve", direction)


def test_a_run_that_cannot_go_on_keeps_its_curve_and_its_last_good_weights(monkeypatch):
    good = tiny()
    list(zip(range(2), ngf(good, clean_set(), *asked("ngf", steps=6))))
    breaking(monkeypatch, 3, math.nan)
    model, had = tiny(), []
    with pytest.raises(Diverged, match="even a step 1024 times smaller costs too much clean loss"):
        for step in ngf(model, clean_set(), *asked("ngf", steps=6)):
            had.append(step.step)
    assert had[:2] == [1, 2] and len(had) < 6
    assert torch.equal(model.conv2.weight, good.conv2.weight)
    assert torch.isfinite(flat(list(model.parameters()))).all()


def test_a_step_that_costs_too_much_is_halved_until_it_does_not(monkeypatch):
    breaking(monkeypatch, 2, -5e2)
    own, config = asked("ngf", steps=4, augment="none", batch_size=24, batchnorm="frozen")
    losses = [s.loss for s in ngf(tiny(), clean_set(), own, config)]
    assert len(losses) == 4
    assert max(losses[2:]) <= max(losses[:2]) + math.log(4) + 0.1
    assert losses[2] > losses[1]


def test_momentum_makes_the_last_step_again():
    """Without a trust region that binds, two steps by hand."""
    own, config = asked("ngf", **EXACT, steps=2, kl_bound=100.0, batch_size=20, damping=3.0,
                      momentum=0.5, rate=0.01, regulariser=0.0, decay=0.0)
    clean, model = clean_set(20, (1, 3, 4), 3), seeded_model(LinearModel).double()
    w = torch.cat([model.linear.weight, model.linear.bias[:, None]], 1).detach().clone()
    batches, moving = CleanBatches(clean, config, torch.device("cpu")), 0.0
    for step in range(2):
        x, y = batches(step)
        a = features(x)
        g = (((a @ w.T).softmax(1) - nn.functional.one_hot(y, 3)).T @ a / len(a)).flatten()
        f = fisher(a, w, y, "true")
        damped = f + 3.0 * f.trace() / (3 * len(a)) * torch.eye(len(f), dtype=torch.float64)
        moving = 0.5 * moving + 0.01 * torch.linalg.solve(damped, g)
        w = (w.flatten() - moving).view_as(w)
    list(ngf(model, clean, own, config))
    found = torch.cat([model.linear.weight, model.linear.bias[:, None]], 1).detach()
    assert torch.allclose(found, w, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", FISHERS)
def test_every_fisher_tunes_a_convolution(kind):
    own, config = asked("ngf", fisher=kind, steps=25, augment="none", batch_size=24, kl_bound=0.3)
    losses = [s.loss for s in ngf(tiny(), clean_set(), own, config)]
    assert losses[-1] < 0.9 * losses[0]


def test_the_published_optimiser_steps_as_its_script_does():
    own, budget = replace(PUBLISHED, layer="conv2"), replace(PUBLISHED_BUDGET, steps=20)
    steps = list(ngf(tiny(), clean_set(), own, budget))
    rates = [0.01] * 7 + [0.001] * 8 + [0.0001] * 5
    assert len(steps) == 20
    # scale^2 length <= the clip, and never more than the rate allows
    assert all(0 <= s.kl <= 1e-2 * (1 + 1e-6) for s in steps)
    assert [_schedule(own, budget, k)[0] for k in range(20)] == pytest.approx(rates)
