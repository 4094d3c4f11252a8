"""A layer's Fisher spectrum against the dense matrix, however little memory there is."""

import pytest
import torch
from torch import nn

from ngf_core.errors import ConfigError, NGFError
from ngf_core.fisher import layer_spectrum as module
from ngf_core.fisher.layer_spectrum import layer_fisher_spectrum
from tests.support.dense_fisher import empirical_fisher, looped_gradients, tiny, true_fisher

KINDS = ("true", "empirical")


@pytest.mark.parametrize("memory", [1e9, 3e4])
@pytest.mark.parametrize("n", [3, 40])
@pytest.mark.parametrize("kind", KINDS)
def test_the_spectrum_is_that_of_the_dense_matrix(kind, n, memory, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 500 if memory > 1e6 else 2)
    model, x, y = tiny(n)
    found = layer_fisher_spectrum(model, model.linear, x, y, kind, memory=memory)
    dense = (true_fisher(model, "linear", x) if kind == "true"
             else empirical_fisher(model, "linear", x, y))
    expected = torch.linalg.eigvalsh(dense).flip(0)
    rows = n * 3 if kind == "true" else n
    assert len(found) == min(rows, len(dense)) and (found >= 0).all()
    assert torch.equal(found, found.sort(descending=True).values)
    assert torch.allclose(found, expected[: len(found)], rtol=1e-8, atol=1e-12)
    assert expected[len(found) :].abs().max().item() < 1e-12 if len(found) < len(dense) else True


def test_a_last_layer_too_wide_for_a_dense_matrix_goes_row_by_row(monkeypatch):
    monkeypatch.setattr(module, "LARGEST_DENSE", 1)
    model, x, y = tiny(7)
    found = layer_fisher_spectrum(model, model.linear, x, y, memory=2e4)
    expected = torch.linalg.eigvalsh(true_fisher(model, "linear", x)).flip(0)
    assert torch.allclose(found, expected[: len(found)], rtol=1e-8, atol=1e-12)


def test_the_spectrum_of_a_convolution_follows_its_seed():
    model, x, y = tiny()
    one, same, other = (layer_fisher_spectrum(model, model.conv, x, y, seed=s) for s in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)
    dense = empirical_fisher(model, "conv", x, y)
    found = layer_fisher_spectrum(model, model.conv, x, y, "empirical")
    assert torch.allclose(found, torch.linalg.eigvalsh(dense).flip(0)[:5], rtol=1e-8)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("groups", [1, 2])
def test_blocks_of_output_channels_change_nothing(bias, groups):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(4, 6, 3, bias=bias, groups=groups), nn.Tanh(),
                              nn.Flatten(), nn.Linear(24, 3)).double().eval()
        x, y = torch.randn(5, 4, 4, 4).double(), torch.arange(5) % 3
    whole, blocks = (layer_fisher_spectrum(model, model[0], x, y, "empirical", memory=memory)
                     for memory in (1e9, 2000))
    assert torch.allclose(whole, blocks, rtol=1e-10)
    assert len(model[0].weight) == 6 and model[0].weight.requires_grad


def test_never_more_rows_at_a_time_than_fit(monkeypatch):
    model, x, y = tiny(5)
    seen, real = [], module.per_sample_outer

    def watched(layer, a, dz):
        seen.append(real(layer, a, dz).numel())
        return real(layer, a, dz)

    monkeypatch.setattr(module, "per_sample_outer", watched)
    layer_fisher_spectrum(model, model.conv, x, y, "empirical", memory=1.2e3)
    assert len(seen) == 3 and max(seen) * 12 <= 1.2e3


def test_samples_whose_gram_matrix_does_not_fit_are_refused():
    model, x, y = tiny(40)
    with pytest.raises(ConfigError, match="40 rows of 57 numbers .* Take at most 11 samples"):
        layer_fisher_spectrum(model, model.conv, x, y, memory=1000)


def test_bad_models_are_refused_here_too():
    model, x, y = tiny()
    with pytest.raises(NGFError, match="BatchNorm is in training mode"):
        layer_fisher_spectrum(model.train(), model.conv, x, y)


@pytest.mark.parametrize("n", [5, 120])  # fewer samples than the 96 parameters, and more
@pytest.mark.parametrize("kind", KINDS)
def test_several_layers_have_the_spectrum_of_their_joint_matrix(kind, n):
    model, x, y = tiny(n)
    found = layer_fisher_spectrum(model, [model.conv, model.linear], x, y, kind, seed=4)
    if kind == "true":
        generator = torch.Generator().manual_seed(4)
        y = torch.multinomial(model(x).softmax(1), 1, generator=generator).flatten()
    rows = looped_gradients(model, nn.ModuleList([model.conv, model.linear]), x, y)
    expected = torch.linalg.eigvalsh(rows.T @ rows / n).flip(0)
    assert len(found) == min(n, 96)
    assert torch.allclose(found, expected[:len(found)], rtol=1e-8, atol=1e-12)
