"""FIP: its update written out with an exact trace, its limits, and the released code's term."""

import torch
import torch.nn.functional as F
from torch import nn

from ngf_core.fisher.hutchinson import fisher_diagonal, fisher_trace, signs_like
from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.methods import fip as module
from ngf_core.purify.methods.fip import fip, released_term
from tests.support.tiny_models import asked, clean_set, tiny


def of(**changes: object):
    return asked("fip", **{"batchnorm": "frozen", "lr": 0.01} | changes)


def trace(model: nn.Module) -> float:
    """Tr F on the clean images, exactly: the empirical one from parts of one image."""
    data = clean_set()
    x = data.x.float() / 255
    parts = ((model(x[i : i + 1]), data.y[i : i + 1]) for i in range(len(x)))
    return sum(float(part.sum()) for part in fisher_diagonal(
        "empirical", parts, list(model.parameters()), torch.Generator()))


def test_without_its_terms_it_is_torch_sgd():
    own, config = of(eta_f=0, eta_r=0, steps=5)
    model, other = tiny(), tiny().eval()
    steps = list(fip(model, clean_set(), own, config))
    assert [s.step for s in steps] == [1, 2, 3, 4, 5]
    optimiser = torch.optim.SGD(other.parameters(), 0.01, momentum=0.95)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 5)
    batches = CleanBatches(clean_set(), config, torch.device("cpu"))
    for k in range(5):
        x, y = batches(k)
        optimiser.zero_grad()
        F.cross_entropy(other(x), y).backward()
        optimiser.step()
        schedule.step()
    for p, q in zip(model.parameters(), other.parameters()):
        assert torch.allclose(p, q, atol=1e-6)


def test_updates_with_the_trace_term_take_four_passes():
    steps = [s.step for s in fip(tiny(), clean_set(), *of(every=3, steps=18))]
    assert steps == [4, 5, 6, 10, 11, 12, 16, 17, 18]


def test_one_update_with_every_term_written_out(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 1)
    own, config = of(eta_f=0.3, eta_r=0, steps=4, fisher="empirical", lr=0.1)
    model, other = tiny(), tiny().eval()
    list(fip(model, clean_set(), own, config))
    tuned = list(other.parameters())
    draws = torch.Generator().manual_seed(config.seed)
    for _ in range(24):
        signs_like(torch.zeros(1, 4), draws)
    x, y = CleanBatches(clean_set(), config, torch.device("cpu"))(0)
    logits = other(x)
    now = fisher_trace("empirical", logits, y, tuned, signs_like(logits, draws))
    loss = F.cross_entropy(logits, y) + 0.3 * now / trace(other)
    found = torch.autograd.grad(loss, tuned)
    for p, q, g in zip(model.parameters(), tuned, found):
        assert torch.allclose(p, q - 0.1 * g, atol=1e-5)


def test_the_anchor_is_the_fisher_weighted_pull(monkeypatch):
    """With one clean image the empirical Fisher diagonal is the squared gradient, exactly."""
    monkeypatch.setattr(module, "CHUNK", 1)
    own, config = of(eta_f=0, eta_r=7, steps=2, fisher="empirical", augment="none")
    one = clean_set(1)
    model, other = tiny(), tiny().eval()
    list(fip(model, one, own, config))
    x, y = CleanBatches(one, config, torch.device("cpu"))(0)
    tuned = list(other.parameters())
    first = torch.autograd.grad(F.cross_entropy(other(x), y), tuned)
    received = [p.detach().clone() for p in tuned]
    for p, g in zip(tuned, first):
        p.data -= 0.01 * g
    second = torch.autograd.grad(F.cross_entropy(other(x), y), tuned)
    for p, q, start, g1, g2 in zip(model.parameters(), tuned, received, first, second):
        pulled = g2 + 7 * g1**2 * (q.detach() - start)
        assert torch.allclose(p, q - 0.005 * (0.95 * g1 + pulled), atol=1e-6)


def test_the_trace_term_smooths():
    models = {}
    for eta in (0, 0.3):
        models[eta] = tiny()
        list(fip(models[eta], clean_set(), *of(
            eta_f=eta, eta_r=0, every=1, steps=40 + 120 * (eta > 0), lr=0.002)))
    assert trace(models[0.3]) < 0.8 * trace(models[0])


def test_the_released_term_is_the_released_loop():
    """Running sums of <gradient_l, v_l>, appended tensor by tensor, for each of its vectors."""
    model, data = tiny().eval(), clean_set(5)
    tensors, x = list(model.parameters()), data.x.float() / 255
    found = released_term(model(x), data.y, tensors, torch.Generator().manual_seed(3))
    draws = torch.Generator().manual_seed(3)
    v = [torch.randn(t.shape, generator=draws) / 20**0.5 for t in tensors]
    pairs = torch.stack([F.log_softmax(model(x), 1)[i, label] for i in range(5)
                         for label in data.y]).mean()
    sums, running = [], 0.0
    for slope, direction in zip(torch.autograd.grad(pairs, tensors), v):
        running = running + (slope * direction).sum()
        sums.append(running)
    assert torch.allclose(found, sum(sums), rtol=1e-4)


def test_the_released_version_has_that_term_and_no_anchor():
    own, config = of(released=True, eta_f=0.02, eta_r=1000, steps=4)
    model, other = tiny(), tiny().eval()
    list(fip(model, clean_set(), own, config))
    longer = [tiny(), tiny()]
    for eta, tuned in zip((0, 1000), longer):
        list(fip(tuned, clean_set(), *of(released=True, eta_r=eta, steps=6)))
    assert torch.equal(longer[0].conv2.weight, longer[1].conv2.weight)
    draws = torch.Generator().manual_seed(config.seed)
    for i in range(0, 24, 8):
        signs_like(torch.zeros(min(8, 16 - i % 16), 4), draws)
    x, y = CleanBatches(clean_set(), config, torch.device("cpu"))(0)
    tuned, logits = list(other.parameters()), other(x)
    loss = F.cross_entropy(logits, y) + 0.02 * released_term(logits, y, tuned, draws)
    for p, q, g in zip(model.parameters(), tuned, torch.autograd.grad(loss, tuned)):
        assert torch.allclose(p, q - 0.01 * g, atol=1e-6)
