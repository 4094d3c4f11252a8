"""Each trigger against its definition, computed another way (loops and numpy)."""

import math

import numpy as np
import pytest
import torch

from ngf_core.attacks.blend import Blend
from ngf_core.attacks.sig import SIG
from ngf_core.attacks.wanet import WaNet
from tests.support.seeded import seeded
from tests.support.small_attacks import SHAPES, attack, image_set, pictures


def nearest(value: float) -> int:
    return min(255, max(0, round(value)))


@pytest.mark.parametrize(("strength", "alpha"), [("default", 1.0), ("published", 0.7)])
@pytest.mark.parametrize("shape", SHAPES)
def test_badnets_blends_a_checkerboard_into_the_corner(shape, strength, alpha):
    x = pictures(3, shape)
    stamped = attack("badnets", shape, strength=strength).trigger(x)
    white = {(0, 2), (1, 1), (2, 0), (2, 2)}
    expected = x.clone()
    height, width = shape[1:]
    for i in range(3):
        for j in range(3):
            level = 255 if (i, j) in white else 0
            spot = (..., height - 3 + i, width - 3 + j)
            expected[spot] = torch.tensor(
                [nearest((1 - alpha) * v + alpha * level) for v in x[spot].flatten().tolist()],
                dtype=torch.uint8).view(x[spot].shape)
    assert torch.equal(stamped[..., :-3, :], x[..., :-3, :])
    assert torch.equal(stamped[..., :-3], x[..., :-3])
    off = (stamped.int() - expected.int()).abs()
    assert off.max() <= (1 if alpha < 1 else 0)  # a tie may round either way in float32
    assert (off > 0).float().mean() < 0.001


def test_blend_is_linear_in_the_image_with_one_picture_for_all():
    a = attack("blend")
    black, white = (torch.full((1, 3, 32, 32), level, dtype=torch.uint8) for level in (0, 255))
    assert a.trigger(white).int().sub(a.trigger(black).int()).sub(round(0.8 * 255)).abs().max() <= 1
    x = pictures(5)
    added = a.trigger(x).double() - 0.8 * x.double()
    assert (added - added.mean(0)).abs().max() <= 1.0 + 1e-6
    noise = a.picture.double()
    assert (added - 0.2 * noise).abs().max() <= 0.5 + 1e-4


def test_blend_draws_a_gaussian_picture_from_its_seed_alone():
    torch.manual_seed(1)
    one = attack("blend", seed=1).picture
    torch.manual_seed(2)
    assert torch.equal(one, attack("blend", seed=1).picture)
    assert not torch.equal(one, attack("blend", seed=2).picture)
    many = torch.stack([attack("blend", seed=s).picture for s in range(20)])
    inner = many[(many > 0) & (many < 255)]
    n = many.numel()
    assert abs(many.median() - 127.5) < 5 * 64 * 1.2533 / math.sqrt(n) + 0.5
    tail = 0.5 * math.erfc(63.5 / 64 / math.sqrt(2))
    assert abs((many < 64).float().mean() - tail) < 5 * math.sqrt(tail / n)
    assert 0.94 < len(inner) / n < 0.97  # 127 / 64 deviations on both sides keep 95.3 %


@pytest.mark.parametrize("strength", ["default", "published"])
@pytest.mark.parametrize("shape", SHAPES)
def test_sig_adds_a_sinusoid_of_six_periods(shape, strength):
    width, delta = shape[2], SIG.strengths[strength]["delta"]
    grey = torch.full((2, *shape), 128, dtype=torch.uint8)
    wave = attack("sig", shape, strength=strength).trigger(grey).int() - 128
    expected = [delta * math.sin(2 * math.pi * j * 6 / width) for j in range(width)]
    assert np.abs(wave[0, 0, 0].numpy() - expected).max() <= 0.5 + 1e-3
    assert torch.equal(wave, wave[:1, :1, :1].expand_as(wave)), "differs between rows or channels"
    power = np.abs(np.fft.rfft(wave[0, 0, 0].numpy()))
    assert power.argmax() == 6


def test_the_published_strengths_are_those_of_the_papers():
    assert SIG.strengths["published"] == {"delta": 40, "f": 6}
    assert Blend.strengths["published"] == {"alpha": 0.2}
    assert WaNet.strengths["published"] == {"s": 0.5, "k": 4, "noise_ratio": 2.0, "jitter": 1.0}


def test_sig_clips_instead_of_wrapping():
    a = attack("sig")
    wave = torch.tensor([math.sin(2 * math.pi * j * 6 / 32) for j in range(32)])
    for level in (0, 255):
        x = torch.full((1, 3, 32, 32), level, dtype=torch.uint8)
        stamped = a.trigger(x)[0, 0, 0]
        outwards = wave > 1e-6 if level else wave < -1e-6
        assert (stamped[outwards] == level).all()
        assert ((stamped.int() - level).abs() <= SIG.strengths["default"]["delta"]).all()


STILL = WaNet.strengths["published"] | {"s": 0.0}


def cubic(t: float) -> float:
    """Keys' kernel with a = -0.75."""
    t, a = abs(t), -0.75
    if t < 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def enlarged(field: np.ndarray, size: int) -> np.ndarray:
    """Bicubic enlargement of a (k, k) field with aligned corners and clamped borders."""
    k = len(field)
    weights = np.zeros((size, k))
    for i in range(size):
        place = i * (k - 1) / (size - 1)
        for tap in range(math.floor(place) - 1, math.floor(place) + 3):
            weights[i, min(max(tap, 0), k - 1)] += cubic(place - tap)
    return weights @ field @ weights.T


@pytest.mark.parametrize("strength", ["default", "published"])
@pytest.mark.parametrize("size", [28, 32])
def test_wanets_grid_is_the_identity_plus_a_smooth_field(size, strength):
    s = WaNet.strengths[strength]["s"]
    grid = attack("wanet", (3, size, size), strength=strength).grid.double().numpy()
    field = 2 * torch.rand(1, 2, 4, 4, generator=seeded(7)).double().numpy()[0] - 1
    field /= np.abs(field).mean()
    assert np.isclose(np.abs(field).mean(), 1)
    steps = np.linspace(-1, 1, size)
    for axis in range(2):
        identity = np.broadcast_to(steps if axis == 0 else steps[:, None], (size, size))
        expected = np.clip(identity + s / size * enlarged(field[axis], size), -1, 1)
        assert np.abs(grid[..., axis] - expected).max() < 1e-5
    assert np.abs(grid).max() <= 1


def test_wanet_samples_the_image_bilinearly_on_its_grid():
    a, x = attack("wanet"), pictures(2)
    warped = a.trigger(x)
    grid, pixels = a.grid.double().numpy(), x.double().numpy()
    for i, j in [(0, 0), (0, 31), (31, 5), (13, 17), (20, 8), (31, 31)]:
        column, row = (grid[i, j] + 1) / 2 * 31
        top, left = min(int(row), 30), min(int(column), 30)
        u, v = row - top, column - left
        value = ((1 - u) * ((1 - v) * pixels[..., top, left] + v * pixels[..., top, left + 1])
                 + u * ((1 - v) * pixels[..., top + 1, left] + v * pixels[..., top + 1, left + 1]))
        assert np.abs(warped[..., i, j].numpy() - value).max() <= 0.5 + 1e-2


@pytest.mark.parametrize("shape", SHAPES)
def test_wanet_without_a_field_is_the_identity(shape, monkeypatch):
    monkeypatch.setattr(WaNet, "strengths", {"default": STILL})
    x = pictures(3, shape)
    assert torch.equal(attack("wanet", shape).trigger(x), x)


def test_wanets_noise_moves_each_sampling_point_by_at_most_one_over_h(monkeypatch):
    monkeypatch.setattr(WaNet, "strengths", {"default": STILL})
    ramp = (torch.arange(32).float() * 8).to(torch.uint8).expand(1, 1, 32, 32).contiguous()
    a = attack("wanet", (1, 32, 32))
    noisy = torch.cat([a.noise(ramp, seeded(s)) for s in range(30)]).double()
    moved = (noisy - ramp)[..., 2:-2] / 8  # in columns; 1/H of [-1, 1] is 31/64 of one
    assert moved.abs().max() <= 31 / 64 + 1 / 16
    spread = 31 / 64 / math.sqrt(3)
    assert abs(moved.std() - spread) < 0.02 and abs(moved.mean()) < 0.01


def test_wanets_noise_images_keep_their_labels_and_are_twice_as_many():
    images, a = image_set(300), attack("wanet", (3, 16, 16), strength="published")
    poisoned = a.poison(images, seeded())
    noise = (poisoned.images.x != images.x).flatten(1).any(1)
    noise[poisoned.indices] = False
    noise = noise.nonzero().flatten()
    assert len(poisoned.indices) == 15 and len(noise) == 30
    assert torch.equal(poisoned.images.y[noise], images.y[noise])
    warped = a.trigger(images.x[noise])
    assert all(not torch.equal(p, q) for p, q in zip(poisoned.images.x[noise], warped,
                                                     strict=True))


def test_wanets_noise_takes_what_is_left_where_twice_as_many_is_too_much():
    images, a = image_set(100), attack("wanet", (3, 16, 16), poison_rate=0.5, strength="published")
    poisoned = a.poison(images, seeded())
    assert len(poisoned.indices) == 50
    assert (poisoned.images.x != images.x).flatten(1).any(1).all()
