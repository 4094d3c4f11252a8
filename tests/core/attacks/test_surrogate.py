"""The attacker's surrogate: it learns, depends on its seed alone, resists the noise it is told."""

import torch
from torch import nn

from ngf_core.attacks.surrogate import adversarial, new_surrogate, train_surrogate
from ngf_core.data.dataset import Images
from tests.support.seeded import seeded
from tests.support.small_attacks import CPU, image_set


def silent(done: int, total: int, sentence: str) -> None:
    pass


class Plane(nn.Module):
    """Two classes, a linear function of the pixels, whose gradient has one sign a pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.pixels = torch.randn(3, 8, 8, generator=seeded(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        score = 0.01 * (x * self.pixels).sum((1, 2, 3))
        return torch.stack([score, -score], 1)


def test_adversarial_images_cross_the_start_and_stay_in_the_box():
    """Start u in [-e, e], then +1.25 e s, cut to [-e, e]: s times the change is 0.25 e to e.

    It is e where s u > -0.25 e, five times in eight.
    """
    plane, epsilon = Plane(), 8
    x = torch.full((40, 3, 8, 8), 128, dtype=torch.uint8)
    y = torch.arange(40) % 2
    away = torch.where(y == 0, -1, 1).view(-1, 1, 1, 1) * plane.pixels.sign()
    change = (255 * adversarial(plane, x, y, epsilon, seeded()) - x.float()) * away
    assert change.min() > 0.25 * epsilon - 1e-3 and change.max() < epsilon + 1e-3
    full = (change > epsilon - 1e-3).float().mean()
    assert abs(full - 5 / 8) < 5 * (5 / 8 * 3 / 8 / change.numel()) ** 0.5


def test_adversarial_images_stay_pictures():
    y = torch.zeros(2, dtype=torch.int64)
    for level in (0, 255):
        x = torch.full((2, 3, 8, 8), level, dtype=torch.uint8)
        worst = adversarial(Plane(), x, y, 16, seeded())
        assert worst.min() >= 0 and worst.max() <= 1
        assert worst.std() > 0.005


def test_a_surrogate_learns_and_depends_on_its_seed_alone():
    y = torch.arange(200) % 2
    images = Images((100 + 50 * y).to(torch.uint8).view(-1, 1, 1, 1).repeat(1, 3, 8, 8), y)
    before = torch.get_rng_state()
    one, same = (train_surrogate(images, 2, 1, 10, CPU, silent, 4) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before), "the global generator was used"
    assert (one(images.x).argmax(1) == y).float().mean() > 0.95
    assert not one.training and not any(p.requires_grad for p in one.parameters())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    other = train_surrogate(images, 2, 2, 1, CPU, silent)
    assert not torch.equal(other.stem.weight, one.stem.weight)


def test_one_network_fits_every_image_size():
    kept = new_surrogate(3, 10).state_dict()
    for side in (28, 224):
        assert new_surrogate(3, 10)(image_set(2, (3, side, side)).x).shape == (2, 10)
    assert sum(value.numel() * value.element_size() for value in kept.values()) < 100_000
