"""The last layer of many classes: without rows the same as with them, and never much memory."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ngf_core.errors import ConfigError, NGFError
from ngf_core.fisher import natural, rows, softmax_head
from ngf_core.fisher.layer_spectrum import layer_fisher_spectrum
from ngf_core.fisher.metric import DiagonalMetric, ExactMetric, metric
from ngf_core.fisher.natural import Damping
from ngf_core.fisher.per_sample import tap, tap_all
from ngf_core.fisher.rows import (
    is_exact,
    joint_diagonal,
    last_layer_matrix,
    wide_head,
)
from ngf_core.fisher.softmax_head import SoftmaxHead, rows_fit
from ngf_core.layers.choose import choose_layer
from ngf_core.layers.statistics import fisher_eigenvalues
from ngf_core.layers.tune import stations_of
from ngf_core.purify import Budget
from ngf_core.purify.method import purifier
from ngf_core.purify.methods.ngf import ngf
from ngf_core.purify.settings import NGF
from tests.support.dense_fisher import tiny, true_fisher
from tests.support.seeded import seeded
from tests.support.tiny_models import asked, clean_set, seeded_model

BIAS = pytest.mark.parametrize("bias", [True, False])


def head(bias: bool, samples: int = 7) -> tuple[SoftmaxHead, Tensor, Tensor]:
    """With the dense matrix in float64 and a vector; seven samples have 21 rows of 39 numbers."""
    model, x, _ = tiny(samples)
    if not bias:
        model.linear = nn.Linear(12, 3, bias=False).double()
    truth = true_fisher(model, "linear", x)
    vector = torch.randn(len(truth), dtype=truth.dtype, generator=seeded(5))
    return SoftmaxHead.of(tap(model, model.linear, x)), truth, vector


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@BIAS
@pytest.mark.parametrize("samples", [7, 40])
@pytest.mark.parametrize("rho", [1.0, 0.1, 1e-3])
def test_the_direction_is_that_of_the_dense_matrix(rho, samples, bias):
    found, truth, g = head(bias, samples)
    solved = found.direction(g, Damping(rho))
    lam = rho * float(truth.trace()) / (samples * 3)
    damped = truth + lam * torch.eye(len(truth), dtype=truth.dtype)
    assert solved.damping == pytest.approx(lam, rel=1e-10)
    assert relative(solved.direction, torch.linalg.solve(damped, g)) < 1e-5
    assert solved.length == pytest.approx(float(g @ solved.direction), rel=1e-10)


@BIAS
def test_trace_and_diagonal_are_those_of_the_dense_matrix(bias):
    found, truth, _ = head(bias)
    assert found.trace() == pytest.approx(float(truth.trace()), rel=1e-10)
    assert torch.allclose(found.diagonal(), truth.diagonal(), rtol=1e-9)


def test_a_solve_that_is_broken_off_is_a_shorter_step_of_lower_loss(monkeypatch):
    """d^T (F + lambda I) d = g^T d holds on the way too, and grows."""
    found, truth, g = head(True)
    damped = truth + 1e-4 * torch.eye(len(truth), dtype=truth.dtype)
    lengths, sizes = [], []
    for products in (1, 2, 4, 8, 500):
        monkeypatch.setattr(softmax_head, "PRODUCTS", products)
        solved = found.direction(g, Damping(1e-4, relative=False))
        d = solved.direction
        assert solved.length == pytest.approx(float(d @ damped @ d), rel=1e-8)
        lengths.append(solved.length)
        sizes.append(float(d.norm()))
    assert lengths == sorted(lengths) and sizes == sorted(sizes) and lengths[0] > 0
    assert relative(d, torch.linalg.solve(damped, g)) < 1e-5


def test_a_gradient_of_zero_has_a_direction_of_zero():
    found, truth, _ = head(True)
    zero = torch.zeros(len(truth), dtype=truth.dtype)
    assert torch.equal(found.direction(zero, Damping(0.1)).direction, zero)


def test_a_fisher_of_zero_is_said_here_too():
    found, truth, g = head(True)
    sure = SoftmaxHead(F.one_hot(found.p.argmax(1), 3).double(), found.inputs, True)
    with pytest.raises(NGFError, match="zero or not finite"):
        sure.direction(g, Damping(0.1))
    assert sure.direction(g, Damping(0.1), least=0.5).damping == pytest.approx(0.05 / 21)


def test_rows_are_written_out_where_results_were_measured_with_them():
    assert rows_fit(250 * 10, 10 * 513) and rows_fit(250 * 10, 10 * 2049)
    assert rows_fit(10_000 * 10, 10 * 13)  # many samples of few weights
    assert not rows_fit(64 * 1000, 1000 * 513) and not rows_fit(64 * 100, 100 * 513)
    assert not rows_fit(1_000, 64_001)


def test_the_memory_of_rows_is_a_setting_that_changes_no_step(monkeypatch):
    model, x, y = tiny(9)
    solved = []
    for megabytes, fits in (("0.004213", True), ("0.004211", False)):  # 27 rows of 39 numbers
        monkeypatch.setenv("NGF_FISHER_MB", megabytes)
        taps = tap_all(model, [model.linear], x)
        assert (wide_head("true", taps) is None) is fits
        found = metric("true", Damping(0.1), seeded(), decay=0.0, weights=39)
        solved.append(found.solve(found.observe(taps, F.cross_entropy(taps[0].logits, y), y)))
    assert relative(solved[1].direction, solved[0].direction) < 1e-5


@pytest.mark.parametrize("given", ["none", "0", "-1", "nan", "inf"])
def test_a_setting_that_is_no_memory_is_a_sentence(monkeypatch, given):
    monkeypatch.setenv("NGF_FISHER_MB", given)
    with pytest.raises(ConfigError, match=f"NGF_FISHER_MB: '{given}' is no positive number"):
        rows_fit(1, 1)


@pytest.mark.parametrize("kind", ["true", "diagonal"])
def test_the_metric_is_the_same_without_rows(kind, monkeypatch):
    model, x, y = tiny(9)
    solved = []
    for side in (2_500, 26):  # of 27 rows and 39 weights
        monkeypatch.setattr(softmax_head, "LARGEST_SIDE", side)
        taps = tap_all(model, [model.linear], x)
        found = metric(kind, Damping(0.1), seeded(), decay=0.0, weights=39)
        assert isinstance(found, ExactMetric | DiagonalMetric)
        gradient = found.observe(taps, F.cross_entropy(taps[0].logits, y), y)
        solved.append(found.solve(gradient))
        assert (wide_head("true", taps) is None) == (side == 2_500)
        diagonal = joint_diagonal("true", taps, y, seeded())
        assert torch.allclose(diagonal, true_fisher(model, "linear", x).diagonal(), rtol=1e-9)
    assert relative(solved[1].direction, solved[0].direction) < 1e-5
    assert solved[1].damping == pytest.approx(solved[0].damping)


def test_only_the_exact_fisher_of_the_last_layer_alone_is_meant(monkeypatch):
    monkeypatch.setattr(softmax_head, "LARGEST_SIDE", 1)
    model, x, _ = tiny(9)
    last, both = (tap_all(model, layers, x)
                  for layers in ([model.linear], [model.conv, model.linear]))
    assert wide_head("true", last) is not None and is_exact("true", last)
    for kind, taps in (("empirical", last), ("true", both), ("true", both[:1])):
        assert wide_head(kind, taps) is None and not is_exact(kind, taps)


def test_the_matrix_is_summed_over_some_samples_at_a_time(monkeypatch):
    model, x, _ = tiny(9)
    monkeypatch.setattr(rows, "PAIRS", 2 * 13**2)
    with Largest() as seen:
        found = last_layer_matrix(tap(model, model.linear, x))
    assert torch.allclose(found, true_fisher(model, "linear", x), rtol=1e-9, atol=1e-14)
    assert seen.numbers == 39**2


class Largest(TorchDispatchMode):
    """Keeps the size of the largest tensor that any operation returned."""

    numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        self.numbers = max([self.numbers, *(t.untyped_storage().nbytes() // t.element_size()
                                            for t in tree_leaves(out) if isinstance(t, Tensor))])
        return out


class Head(nn.Module):
    """Pixels to 512 features of their own, and a linear layer on them."""

    def __init__(self, features: int = 512, classes: int = 1000) -> None:
        super().__init__()
        self.register_buffer("features", torch.randn(192, features) / 5)
        self.linear = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear((x.float().flatten(1) @ self.features).relu())


@pytest.mark.parametrize("samples", [64, 250])
@pytest.mark.parametrize("kind", ["true", "diagonal"])
def test_a_head_of_imagenet_takes_memory_of_its_weights_and_no_rows(kind, samples, monkeypatch):
    monkeypatch.setattr(softmax_head, "PRODUCTS", 20)  # each has the same memory
    model = seeded_model(Head).eval()
    x = torch.rand(samples, 3, 8, 8, generator=seeded(1))
    y = torch.randint(0, 1000, (samples,), generator=seeded(2))
    found = metric(kind, Damping(0.1), seeded(), decay=0.9, weights=513_000)
    with Largest() as seen:
        taps = tap_all(model, [model.linear], x)
        gradient = found.observe(taps, F.cross_entropy(taps[0].logits, y), y)
        solved = found.solve(gradient)
    assert seen.numbers <= 513_000
    assert 0 < solved.length < math.inf and len(solved.direction) == 513_000


def test_its_first_direction_solves_the_damped_system():
    """(F + lambda I) d by products of its own: a forward pass, S_i, and back."""
    model = seeded_model(Head).double().eval()
    x = torch.rand(64, 3, 8, 8, generator=seeded(1)).double()
    y = torch.randint(0, 1000, (64,), generator=seeded(2))
    model.forward = lambda x: model.linear((x.flatten(1) @ model.features).relu())
    taps = tap_all(model, [model.linear], x)
    found = metric("true", Damping(0.1), seeded())
    gradient = found.observe(taps, F.cross_entropy(taps[0].logits, y), y)
    solved = found.solve(gradient)
    a, p = taps[0].input, taps[0].logits.detach().softmax(1)
    d = torch.cat([solved.direction[:512_000].view(1000, 512), solved.direction[512_000:, None]], 1)
    a = torch.cat([a, torch.ones(64, 1, dtype=a.dtype)], 1)
    moved = a @ d.T
    pulled = p * moved - p * (p * moved).sum(1, keepdim=True)
    product = pulled.T @ a / 64
    product = torch.cat([product[:, :-1].flatten(), product[:, -1]])
    assert relative(product + solved.damping * solved.direction, gradient) < 2e-6


def test_ngf_tunes_it():
    clean = clean_set(64, (3, 8, 8), 1000)
    own, budget = asked("ngf", layer="last", steps=3, batch_size=64, augment="none", kl_bound=0.03,
                        damping=0.1)
    with Largest() as seen:
        losses = [step.loss for step in ngf(seeded_model(Head), clean, own, budget)]
    assert losses[2] < losses[1] < losses[0]
    assert seen.numbers <= 513_000


class Hundreds(nn.Module):
    """A network of two layers with 200 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 8, 3, 2), nn.Linear(72, 200)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.conv(x).relu().flatten(1))


def test_auto_on_200_classes_takes_few_and_small_operations(monkeypatch):
    """Ten steps per layer, each of at most a Cholesky factor of one row per image, or the products
    of one solve without rows."""
    sides, products, real = [], [], natural._solve
    monkeypatch.setattr(natural, "_solve", lambda matrix, *args: (
        sides.append(len(matrix)) or real(matrix, *args)))
    times_s = SoftmaxHead._times_s
    monkeypatch.setattr(SoftmaxHead, "_times_s", lambda head, u: (
        products.append(1) or times_s(head, u)))
    model, clean = seeded_model(Hundreds), clean_set(80, (3, 8, 8), 200)
    with Largest() as seen:
        choice = choose_layer(model, clean, Budget(augment="none"), NGF())
    assert set(choice.scores) == {"conv", "linear"} and choice.passes == 20
    assert len(sides) <= 10 and max(sides) <= 224
    assert 10 < len(products) <= 10 * softmax_head.PRODUCTS
    assert seen.numbers < 64 * 200 * 73  # less than one row for each label of each image


@pytest.mark.parametrize("method", ["ngf", "sgd"])
def test_a_method_on_auto_ends_with_200_classes(method):
    own, budget = asked(method, layer="linear", steps=2, augment="none", batch_size=64)
    steps = list(purifier(method)(seeded_model(Hundreds), clean_set(80, (3, 8, 8), 200), own,
                                  budget))
    assert len(steps) == 2 and all(math.isfinite(step.loss) for step in steps)


@BIAS
def test_the_small_matrices_have_the_spectrum_of_the_dense_one(bias):
    found, truth, _ = head(bias)
    expected = torch.linalg.eigvalsh(truth).flip(0)[:21]
    assert torch.allclose(torch.linalg.eigvalsh(found.gram()).flip(0), expected, rtol=1e-8,
                          atol=1e-12)
    traces = torch.stack([found.drawn_gram(seeded(k)).trace() for k in range(400)])
    assert abs(traces.mean() - truth.trace()) < 4 * traces.std() / 20
    parts = [SoftmaxHead(found.p[part], found.inputs[part], bias)
             for part in (slice(0, 3), slice(3, 7))]
    assert torch.equal(SoftmaxHead.joined(parts).gram(), found.gram())


@BIAS
def test_rows_at_drawn_labels_have_this_small_matrix(bias):
    found, _, _ = head(bias)
    y = torch.multinomial(found.p, 1, generator=seeded(3)).flatten()
    back = found.p - F.one_hot(y, 3)
    rows = torch.einsum("nc,nd->ncd", back, found.inputs).flatten(1) / 7**0.5
    assert torch.allclose(found.drawn_gram(seeded(3)), rows @ rows.T, rtol=1e-9, atol=1e-14)


def test_the_spectrum_and_the_statistics_of_a_wide_head_hold_no_rows():
    clean = clean_set(40, (3, 8, 8), 200)
    model = seeded_model(Hundreds)
    *_, station = stations_of(model, clean, Budget(augment="none"), {})
    with Largest() as seen:
        values = fisher_eigenvalues(station, 0)
    assert len(values) == 40 and seen.numbers <= 14_600
    model.linear.requires_grad_(True)
    x = clean.x[:8].float() / 255
    taps = tap_all(model, [model.linear], x)
    with Largest() as seen:
        spectrum = layer_fisher_spectrum(model, model.linear, x, clean.y[:8])
    assert len(spectrum) == 1600 and seen.numbers <= 1600**2
    assert float(spectrum.sum()) == pytest.approx(SoftmaxHead.of(taps[0]).trace(), rel=1e-9)
