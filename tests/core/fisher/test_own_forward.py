"""Per-sample gradients of layers that torch's own outer products do not hold for, against a loop
of autograd in float64."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ngf_core.errors import ConfigError
from ngf_core.fisher import per_sample
from ngf_core.fisher.layer_spectrum import layer_fisher_spectrum
from ngf_core.fisher.metric import metric
from ngf_core.fisher.natural import Damping
from ngf_core.fisher.per_sample import per_sample_outer, tap, tap_all
from ngf_core.fisher.rows import fisher_rows, is_last_layer
from ngf_core.layers.choose import choose_layer
from ngf_core.purify import Budget
from ngf_core.purify.method import purifier
from ngf_core.purify.methods.ngf import ngf
from tests.support.dense_fisher import looped_gradients, true_fisher
from tests.support.seeded import seeded
from tests.support.tiny_models import asked, clean_set, seeded_model

LABELS = torch.tensor([0, 2, 1, 1])
X = torch.randn(4, 2, 7, 6, dtype=torch.float64, generator=seeded(1))


class Standardised(nn.Conv2d):
    """Each filter has mean 0 and deviation 1 (weight standardisation)."""

    def forward(self, x: Tensor) -> Tensor:
        w = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        w = w / w.std((1, 2, 3), keepdim=True)
        return F.conv2d(x, w, self.bias, self.stride, self.padding)


class Within(nn.Conv2d):
    """The same, in the method that `nn.Conv2d.forward` calls."""

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return super()._conv_forward(x, weight - weight.mean((1, 2, 3), keepdim=True), bias)


class Cosine(nn.Linear):
    """A head whose logits are cosines."""

    def forward(self, x: Tensor) -> Tensor:
        return 5 * F.linear(F.normalize(x), F.normalize(self.weight))


class Gained(nn.Linear):
    """With a further parameter, and torch's forward pass."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.gain = nn.Parameter(torch.ones(inputs))
        self.register_forward_pre_hook(lambda self, args: (self.gain * args[0] + 1,))


class Undecided(nn.Linear):
    """Its way depends on the values, which `vmap` cannot follow."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if x.sum() > 0 else super().forward(-2 * x)


class AsLinear(nn.Linear):
    """A subclass in name alone."""


def hooked() -> nn.Module:
    layer = nn.Linear(6, 3)
    layer.register_forward_hook(lambda layer, args, out: out.tanh())
    return layer


def patched() -> nn.Module:
    layer = nn.Linear(6, 3)
    layer.forward = lambda x: F.linear(x, layer.weight**2, layer.bias)
    return layer


def after(layer: nn.Module) -> nn.Module:
    """The layer on images, and a linear layer behind it."""
    size = layer(X.float()).flatten(1).shape[1]
    return nn.Sequential(layer, nn.Tanh(), nn.Flatten(), nn.Linear(size, 3))


def behind(layer: nn.Module) -> nn.Module:
    """The layer on six features, as the last one."""
    return nn.Sequential(nn.Conv2d(2, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Tanh(),
                         layer)


THROUGH_THE_LAYER = {
    "weight standardisation": lambda: after(Standardised(2, 3, 3, padding=1)),
    "own _conv_forward": lambda: after(Within(2, 3, 3)),
    "cosine head": lambda: behind(Cosine(6, 3, bias=False)),
    "circular": lambda: after(nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular")),
    "reflect": lambda: after(nn.Conv2d(2, 3, 3, padding=(1, 2), padding_mode="reflect")),
    "named padding": lambda: after(nn.Conv2d(2, 3, (3, 4), padding="same", bias=False)),
    "parametrised": lambda: behind(nn.utils.parametrizations.weight_norm(nn.Linear(6, 3))),
    "forward hook": lambda: behind(hooked()),
    "forward of one instance": lambda: behind(patched()),
    "no rule for vmap": lambda: behind(Undecided(6, 3)),
    "another kind": lambda: after(nn.ConvTranspose2d(2, 2, 2)),
}


def network(make: Callable[[], nn.Module]) -> tuple[nn.Module, nn.Module]:
    """The model in float64, its weights all different, and the layer that is meant."""
    model = seeded_model(make).double().eval()
    for k, p in enumerate(model.parameters()):
        p.data = 0.5 * torch.randn(p.shape, dtype=p.dtype, generator=seeded(k))
    return model, model[0] if isinstance(model[1], nn.Tanh) else model[-1]


def found_and_looped(model: nn.Module, layer: nn.Module, x: Tensor = X, y: Tensor = LABELS
                     ) -> tuple[Tensor, Tensor]:
    tapped = tap(model, layer, x)
    found = tapped.gradients(F.cross_entropy(tapped.logits, y, reduction="none"))
    return found, looped_gradients(model, layer, x, y)


def agree(model: nn.Module, layer: nn.Module, x: Tensor = X, y: Tensor = LABELS) -> None:
    found, expected = found_and_looped(model, layer, x, y)
    assert found.shape == expected.shape and expected.abs().max() > 1e-3
    assert torch.allclose(found, expected, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("name", THROUGH_THE_LAYER)
def test_they_are_pulled_back_through_the_layer(name):
    model, layer = network(THROUGH_THE_LAYER[name])
    assert tap(model, layer, X).through is layer
    agree(model, layer)


def test_without_a_rule_for_vmap_the_samples_go_one_after_the_other(monkeypatch):
    model, layer = network(THROUGH_THE_LAYER["no rule for vmap"])
    alone, real = [], per_sample._pulled_alone
    monkeypatch.setattr(per_sample, "_pulled_alone",
                        lambda *args: alone.append(1) or real(*args))
    agree(model, layer)
    assert len(alone) == 4


def test_a_subclass_with_torchs_own_forward_keeps_the_outer_product():
    model, layer = network(lambda: behind(AsLinear(6, 3)))
    tapped = tap(model, layer, X)
    assert tapped.through is None and is_last_layer(tapped)
    agree(model, layer)


def test_a_cosine_head_is_not_taken_for_a_linear_last_layer():
    model, layer = network(THROUGH_THE_LAYER["cosine head"])
    tapped = tap(model, layer, X)
    assert tapped.output is tapped.logits and not is_last_layer(tapped)
    truth = true_fisher(model, "4", X)
    draws = torch.stack([(fisher_rows("true", tapped, LABELS, seeded(k))**2).sum()
                         for k in range(300)])
    assert draws.mean().item() == pytest.approx(truth.trace().item(), rel=0.1)


class Attending(nn.Module):
    """Self-attention on the pixels of an image, samples first or tokens first."""

    def __init__(self, first: bool = True) -> None:
        super().__init__()
        self.first = first
        self.attention = nn.MultiheadAttention(2, 1, batch_first=first)
        self.tokens, self.last = nn.Linear(2, 2), nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(2).transpose(1, 2) if self.first else x.flatten(2).permute(2, 0, 1)
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return self.last(self.tokens(x).tanh().mean(1 if self.first else 0))


class Shared(nn.Module):
    """One layer that runs twice, two that share their weight, one called by keyword."""

    def __init__(self) -> None:
        super().__init__()
        self.twice, self.one, self.other, self.named = (nn.Linear(6, 6) for _ in range(4))
        self.other.weight = self.one.weight

    def forward(self, x: Tensor) -> Tensor:
        x = self.twice(self.twice(x[:, 0, 0]).tanh()).tanh()
        return self.named(input=self.other(self.one(x).tanh()).tanh())[:, :3]


class Fused(nn.Module):
    """An encoder of torch's own behind a convolution, tokens before samples."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 5, dropout=0.0), 2)
        self.linear = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.encoder(self.conv(x).flatten(2).permute(2, 0, 1)).mean(0))


@pytest.mark.parametrize(("make", "name"), [
    (Attending, "attention"), (Attending, "attention.out_proj"),
    (lambda: Attending(False), "attention.out_proj"), (lambda: Attending(False), "tokens"),
    (Shared, "twice"), (Shared, "one"), (Shared, "other"), (Shared, "named"),
    (Fused, "encoder.layers.1.linear1"), (Fused, "encoder.layers.0.self_attn.out_proj"),
    (lambda: behind(Gained(6, 3)), "4"), (lambda: behind(
        nn.utils.spectral_norm(nn.Linear(6, 3))), "4")])
def test_where_it_does_not_run_once_on_samples_they_come_through_the_model(make, name):
    model = seeded_model(make).double().eval()
    assert tap(model, model.get_submodule(name), X).through is model
    agree(model, model.get_submodule(name))


def test_as_many_tokens_as_samples_are_not_mistaken_for_them():
    x = torch.randn(6, 2, 3, 2, dtype=torch.float64, generator=seeded(2))
    for first in (True, False):
        model = seeded_model(Attending, first).double().eval()
        agree(model, model.tokens, x, torch.arange(6) % 3)


class Ignored(nn.Module):
    """A head whose output is not used, one that never runs, and a layer that matters."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.ignored, self.idle = (nn.Linear(6, 3) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        self.ignored(x[:, 0, 0])
        return self.linear(x[:, 0, 0])


class IgnoredOnImages(Ignored):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float())


@pytest.mark.parametrize("name", ["ignored", "idle"])
def test_a_layer_without_effect_has_zero_gradients(name):
    model = seeded_model(Ignored).double()
    layers = [getattr(model, name), model.linear]
    taps = tap_all(model, layers, X)
    losses = F.cross_entropy(taps[0].logits, LABELS, reduction="none")
    assert torch.equal(taps[0].gradients(losses), torch.zeros(4, 21, dtype=X.dtype))
    found = metric("true", Damping(0.1), seeded())
    gradient = found.observe(taps, losses.mean(), LABELS)
    expected = torch.autograd.grad(F.cross_entropy(model(X), LABELS), [model.linear.weight])[0]
    assert torch.equal(gradient[:21], torch.zeros(21, dtype=X.dtype))
    assert torch.allclose(gradient[21:39], expected.flatten())
    assert torch.equal(found.solve(gradient).direction[:21], torch.zeros(21, dtype=X.dtype))


@pytest.mark.parametrize("name", ["ignored", "idle"])
def test_alone_such_a_layer_is_refused(name):
    model = seeded_model(Ignored).double().requires_grad_(False)
    layer = getattr(model, name).requires_grad_(True)
    with pytest.raises(ConfigError, match="answers do not depend on it.*Choose a layer that they"):
        tap(model, layer, X)


@pytest.mark.parametrize("method", ["ngf", "sgd"])
def test_a_method_that_is_to_tune_such_a_layer_alone_says_so(method):
    own, budget = asked(method, layer="idle", batchnorm="frozen")
    with pytest.raises(ConfigError, match="answers do not depend on it"):
        list(purifier(method)(seeded_model(IgnoredOnImages), clean_set(8, (2, 4, 6), 3), own,
                              budget))


@pytest.mark.parametrize("name", ["circular", "weight standardisation"])
def test_kfac_has_no_factors_for_them(name):
    model, layer = network(THROUGH_THE_LAYER[name])
    taps = tap_all(model, [layer], X)
    with pytest.raises(ConfigError, match="K-FAC has no factors for a .*Choose another layer"):
        metric("kfac", Damping(0.1), seeded()).observe(
            taps, F.cross_entropy(taps[0].logits, LABELS), LABELS)


def test_the_outer_product_of_a_standardised_convolution_would_be_wrong():
    model, layer = network(THROUGH_THE_LAYER["weight standardisation"])
    tapped = tap(model, layer, X)
    losses = F.cross_entropy(tapped.logits, LABELS)
    (back,) = torch.autograd.grad(losses, tapped.output, retain_graph=True)
    plain, true = per_sample_outer(layer, tapped.input, back), tapped.rows(back)
    assert (plain - true).norm() > 0.1 * true.norm()


@pytest.mark.parametrize("name", ["circular", "cosine head"])
def test_their_spectrum_is_that_of_the_loop(name):
    model, layer = network(THROUGH_THE_LAYER[name])
    found = layer_fisher_spectrum(model, layer, X, LABELS, "empirical")
    rows = looped_gradients(model, layer, X, LABELS)
    expected = torch.linalg.eigvalsh(rows @ rows.T / 4).flip(0)
    assert torch.allclose(found, expected, rtol=1e-8, atol=1e-14)
    with pytest.raises(ConfigError, match="4 rows of .* does not run as torch's own .* at most 2"):
        layer_fisher_spectrum(model, layer, X, LABELS, "empirical",
                              memory=12 * 2.5 * sum(p.numel() for p in layer.parameters()))


@pytest.mark.parametrize("name", ["circular", "cosine head", "weight standardisation"])
@pytest.mark.parametrize("augment", ["none", "flip"])
def test_ngf_lowers_the_clean_loss_with_them(name, augment):
    """With and without kept activations, for which the model is cut before the layer."""
    model, _ = network(THROUGH_THE_LAYER[name])
    key = "0" if isinstance(model[1], nn.Tanh) else "4"
    clean = clean_set(40, (2, 7, 6), 3)
    own, budget = asked("ngf", layer=key, steps=6, augment=augment, damping=0.1, kl_bound=0.05,
                        regulariser=0.0, batch_size=40, batchnorm="frozen")
    *_, last = losses = [step.loss for step in ngf(model.float(), clean, own, budget)]
    assert last < losses[0] - 0.01


def test_an_attention_model_is_tuned_in_all_its_layers():
    model = seeded_model(Attending)
    clean = clean_set(40, (2, 4, 4), 3)
    own, budget = asked("ngf", layer="all", steps=4, kl_bound=0.01, regulariser=0.0, batch_size=40,
                        augment="none")
    before = model.attention.out_proj.weight.clone()
    losses = [step.loss for step in ngf(model, clean, own, budget)]
    assert losses[-1] < losses[0] and not torch.equal(model.attention.out_proj.weight, before)


def test_several_layers_of_an_attention_model_have_one_matrix():
    model = seeded_model(Attending).double().eval()
    layers = [model.attention.out_proj, model.tokens, model.last]
    taps = tap_all(model, layers, X)
    found = metric("empirical", Damping(0.1), seeded())
    gradient = found.observe(taps, F.cross_entropy(taps[0].logits, LABELS), LABELS)
    rows = looped_gradients(model, nn.ModuleList(layers), X, LABELS) / 2
    assert torch.allclose(gradient, rows.sum(0) / 2, rtol=1e-9, atol=1e-14)
    damped = rows.T @ rows + 0.1 * rows.square().sum() / 4 * torch.eye(rows.shape[1])
    expected = torch.linalg.solve(damped, gradient)
    assert torch.allclose(found.solve(gradient).direction, expected, rtol=1e-7, atol=1e-12)


def test_the_rules_see_a_layer_that_attention_reads():
    model = seeded_model(Attending)
    found = choose_layer(model, clean_set(40, (2, 4, 4), 3), Budget(augment="none"))
    assert set(found.scores) == {"attention.out_proj", "tokens", "last"}
    ignored = choose_layer(seeded_model(IgnoredOnImages), clean_set(40, (2, 4, 6), 3),
                           Budget(augment="none"))
    assert set(ignored.scores) == {"linear"}


def test_the_rules_see_a_layer_with_a_forward_pass_of_its_own():
    """On kept activations too, where the model is cut before the layer, which stays whole."""
    model, _ = network(THROUGH_THE_LAYER["weight standardisation"])
    found = choose_layer(model.float(), clean_set(40, (2, 7, 6), 3), Budget(augment="none"))
    assert set(found.scores) == {"0", "3"}
