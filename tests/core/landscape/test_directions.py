import pytest
import torch
from torch import nn

from ngf_core.errors import ConfigError, NGFError
from ngf_core.landscape import random_direction
from tests.support.seeded import seeded


def test_every_filter_is_as_long_as_the_models(make_net):
    net = make_net(0)
    direction = random_direction(net, seeded(1))
    for name in ("conv.weight", "linear.weight"):
        weight = net.get_parameter(name)
        assert direction[name].shape == weight.shape
        assert direction[name].dtype == weight.dtype
        for d, w in zip(direction[name], weight):
            assert d.norm().item() == pytest.approx(w.norm().item(), rel=1e-12)


def test_one_dimensional_parameters_and_zero_filters_get_zero(make_net):
    net = make_net(0)
    with torch.no_grad():
        net.conv.weight[2] = 0
    direction = random_direction(net, seeded(1))
    for name in ("conv.bias", "norm.weight", "norm.bias", "linear.bias"):
        assert not direction[name].any()
    assert not direction["conv.weight"][2].any()
    assert direction["conv.weight"][1].all()


def test_covers_trainable_parameters_and_no_buffers(make_net):
    net = make_net(0)
    net.linear.weight.requires_grad_(False)
    expected = {name for name, _ in net.named_parameters()} - {"linear.weight"}
    assert set(random_direction(net, seeded(1))) == expected


def test_entries_are_standard_normal_before_scaling():
    """Mean 0, skewness 0 and kurtosis 3, within 4 standard errors (a uniform draw has 1.8)."""
    layer = nn.Linear(2000, 40, bias=False)
    scaled = random_direction(layer, seeded(3))["weight"].double()
    z = scaled / layer.weight.detach().double().norm(dim=1, keepdim=True) * 2000**0.5
    n = z.numel()
    assert abs(z.mean().item()) < 4 / n**0.5
    assert abs((z**3).mean().item()) < 4 * (15 / n) ** 0.5
    assert abs((z**4).mean().item() - 3) < 4 * (96 / n) ** 0.5


def test_two_draws_are_independent():
    """Cosines of 200 pairs: mean 0 and variance 1/P, within 4 standard errors."""
    layer, generator = nn.Linear(30, 5, bias=False), seeded(4)
    torch.nn.init.ones_(layer.weight)
    cosines = []
    for _ in range(200):
        u, v = (random_direction(layer, generator)["weight"].flatten() for _ in range(2))
        cosines.append(torch.cosine_similarity(u, v, dim=0).item())
    cosines = torch.tensor(cosines) * 150**0.5
    assert abs(cosines.mean().item()) < 4 / 200**0.5
    assert abs(cosines.var().item() - 1) < 4 * (2 / 200) ** 0.5


def test_the_seed_fixes_it_and_the_dtype_does_not_change_it(make_net):
    net = make_net(0)
    first, again, other = (random_direction(net, seeded(s))["conv.weight"] for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    single = random_direction(net.float(), seeded(1))["conv.weight"]
    torch.testing.assert_close(single.double(), first, rtol=1e-5, atol=1e-7)


def test_global_generator_is_not_used(make_net):
    net = make_net(0)
    before = torch.get_rng_state()
    random_direction(net, seeded(1))
    assert torch.equal(torch.get_rng_state(), before)


def test_nothing_trainable(make_net):
    with pytest.raises(NGFError, match="no trainable parameters.*Set requires_grad"):
        random_direction(make_net(0).requires_grad_(False), seeded(1))


def test_weight_that_is_not_finite(make_net):
    net = make_net(0)
    with torch.no_grad():
        net.conv.weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(NGFError, match="conv.weight holds values that are not finite"):
        random_direction(net, seeded(1))


CHOICES = ("still", "scaled")


@pytest.mark.parametrize("vectors", CHOICES)
def test_directions_are_not_all_positive(vectors, make_net):
    """A published package draws from [0, 1): every weight then moves the same way."""
    direction = random_direction(make_net(0), seeded(1), vectors)
    numbers = torch.cat([d.flatten() for d in direction.values()])
    numbers = numbers[numbers != 0]
    positive = (numbers > 0).double().mean().item()
    assert abs(positive - 0.5) < 4 * 0.5 / len(numbers) ** 0.5


@pytest.mark.parametrize("vectors", CHOICES)
def test_vectors_never_become_plus_or_minus_themselves(vectors, make_net):
    """A published package normalises a bias number by number: d_j = +-theta_j exactly."""
    net = make_net(0)
    direction = random_direction(net, seeded(1), vectors)
    for name in ("conv.bias", "norm.weight", "norm.bias", "linear.bias"):
        theta = net.get_parameter(name).detach()
        assert (direction[name].abs() != theta.abs()).all()


def test_scaled_vectors_are_gaussian_and_as_long_as_the_models(make_net):
    net = make_net(0)
    still, scaled = (random_direction(net, seeded(1), v) for v in ("still", "scaled"))
    for name in ("conv.bias", "norm.weight", "norm.bias", "linear.bias"):
        theta = net.get_parameter(name).detach()
        assert scaled[name].norm().item() == pytest.approx(theta.norm().item(), rel=1e-12)
        assert not still[name].any()
    for name in ("conv.weight", "linear.weight"):
        for d, w in zip(scaled[name], net.get_parameter(name)):
            assert d.norm().item() == pytest.approx(w.norm().item(), rel=1e-12)
    layer = nn.BatchNorm1d(20000).double()
    z = random_direction(layer, seeded(3), "scaled")["weight"]
    assert abs((z**4).mean().item() - 3) < 4 * (96 / 20000) ** 0.5


def test_a_vector_of_one_number_has_no_direction_and_stays():
    layer = nn.Linear(3, 1)
    assert not random_direction(layer, seeded(1), "scaled")["bias"].any()


def test_unknown_choice_for_vectors(make_net):
    with pytest.raises(ConfigError, match="vectors: 'zero' is unknown. Choose one of still, sca"):
        random_direction(make_net(0), seeded(1), "zero")


class Gamma(nn.Module):
    """A layer scale of this shape."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.linspace(0.5, 2, 6).reshape(shape))


def old_weight_norm():
    return nn.utils.weight_norm(nn.Linear(4, 6, bias=False))


# Whose rows hold one number each; the second is a vector's name.
VECTORS = [
    (lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 6, 3, bias=False)),
     "parametrizations.weight.original0"),
    (old_weight_norm, "weight_g"), (lambda: Gamma(6), "gamma"), (lambda: Gamma(6, 1, 1), "gamma"),
    (lambda: nn.Conv2d(6, 6, 1, groups=6, bias=False), "weight"),
    (lambda: nn.Linear(1, 6, bias=False), "weight")]


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize(("make", "name"), VECTORS)
def test_rows_of_one_number_are_a_vector_whatever_the_shape(make, name):
    layer = make()
    theta = layer.get_parameter(name).detach()
    still, scaled = (random_direction(layer, seeded(1), v)[name] for v in CHOICES)
    assert theta.numel() == 6 and not still.any()
    assert scaled.shape == theta.shape
    assert scaled.norm().item() == pytest.approx(theta.norm().item(), rel=1e-5)
    ratio = (scaled / theta).flatten()
    assert (ratio.abs() - ratio.abs()[0]).abs().max() > 0.1, "it moves number by number"


@pytest.mark.parametrize("make", [
    lambda: nn.Conv2d(6, 6, 3, groups=6), lambda: nn.Linear(2, 6), lambda: nn.Linear(6, 1),
    lambda: nn.Conv2d(2, 6, 1)])
def test_rows_of_several_numbers_are_filters_even_in_depthwise_and_pointwise_layers(make):
    layer = make()
    direction = random_direction(layer, seeded(1))["weight"]
    for d, w in zip(direction, layer.weight.detach()):
        assert d.norm().item() == pytest.approx(w.norm().item(), rel=1e-5)


def test_a_single_number_stays_whatever_the_shape():
    for layer in (nn.Linear(1, 1), nn.Conv2d(1, 1, 1)):
        assert not random_direction(layer, seeded(1), "scaled")["weight"].any()
