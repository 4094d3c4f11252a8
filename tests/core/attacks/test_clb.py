"""CLB: the mark in four corners, and the ascent that makes images of the target class hard."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ngf_core.attacks.attack import build_attack
from ngf_core.attacks.clb import CLB
from ngf_core.attacks.surrogate import train_surrogate
from ngf_core.errors import ConfigError
from tests.support.seeded import seeded
from tests.support.small_attacks import CPU, SHAPES, attack, image_set, pictures


def silent(done: int, total: int, sentence: str) -> None:
    pass


def clb(shape: tuple[int, int, int] = (3, 16, 16), classes: int = 10, **changes: float) -> CLB:
    return build_attack("clb", target=3 % classes, poison_rate=0.05, seed=7, shape=shape,
                        classes=classes, changes=changes)


class Plane(nn.Module):
    """Two classes, a linear function of the pixels: the ascent's direction is known and fixed."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.pixels = torch.randn(*shape, generator=seeded(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        score = 0.01 * (x * self.pixels).sum((1, 2, 3))
        return torch.stack([score, -score], 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_mark_is_a_checkerboard_mirrored_into_four_corners(shape):
    x = pictures(3, shape)
    stamped = attack("clb", shape, strength="published").trigger(x)
    corner = [[0, 0, 255], [0, 255, 0], [255, 0, 255]]
    expected = x.clone()
    for i in range(3):
        for j in range(3):
            for row in (-3 + i, 2 - i):
                for column in (-3 + j, 2 - j):
                    expected[..., row, column] = corner[i][j]
    assert torch.equal(stamped, expected)


def test_a_larger_mark_has_more_cells():
    large = clb(side=6)
    signs = [[1 if (i + j) % 2 == 0 and (i, j) != (0, 0) else -1 for j in range(6)]
             for i in range(6)]
    assert large.board.tolist() == [[255 * sign for sign in row] for row in signs]
    x = pictures(2, (3, 16, 16))
    changed = (large.trigger(x) != x).any(0).any(0)
    assert not changed[6:-6].any() and not changed[:, 6:-6].any()
    assert changed[:6, :6].all() and changed[-6:, -6:].all()


def test_a_faint_mark_is_added_and_clipped_and_never_wraps():
    a = clb(amplitude=64, side=3)
    for level in (0, 30, 128, 250, 255):
        x = torch.full((1, 3, 16, 16), level, dtype=torch.uint8)
        corner = a.trigger(x)[0, 0, -3:, -3:].tolist()
        up, down = min(255, level + 64), max(0, level - 64)
        assert corner == [[down, down, up], [down, up, down], [up, down, up]]


def test_the_trigger_needs_no_surrogate_but_poisoning_does():
    a = clb()
    assert a.ready
    assert not torch.equal(a.trigger(pictures(1, (3, 16, 16))), pictures(1, (3, 16, 16)))
    with pytest.raises(ConfigError, match="CLB has not learned its surrogate yet. Train a run"):
        a.poison(image_set(), seeded())


@pytest.mark.parametrize(("epsilon", "step", "steps", "reach"), [
    (8, 1.5, 100, 8), (8, 1.5, 2, 3), (7.9, 1.5, 100, 7), (0, 1.5, 10, 0), (16, 0.4, 2, 1)])
def test_a_linear_surrogate_moves_every_pixel_straight_to_the_bound(
        monkeypatch, epsilon, step, steps, reach):
    shape = (3, 8, 8)
    a, plane = clb(shape, 2, epsilon=epsilon, step=step, steps=steps), Plane(shape)
    monkeypatch.setitem(vars(a), "surrogate", plane)
    x, y = pictures(6, shape), torch.tensor([0, 1, 0, 1, 0, 1])
    kept = x.clone()
    away = torch.where(y == 0, -1, 1).view(-1, 1, 1, 1) * plane.pixels.sign()
    expected = (x + reach * away).clamp(0, 255).to(torch.uint8)
    hard = a.hardened(x, y)
    assert hard.dtype == torch.uint8 and torch.equal(hard, expected)
    assert torch.equal(x, kept), "the input was changed"


@pytest.mark.parametrize("epsilon", [2, 8])
def test_hard_images_are_near_and_cost_the_surrogate_more(epsilon):
    images = image_set(40, (3, 16, 16))
    a = clb(epsilon=epsilon, steps=10, surrogate_epochs=1).fit(images, CPU, silent)
    hard = a.hardened(images.x, images.y)
    off = (hard.int() - images.x.int()).abs()
    assert off.max() == epsilon

    def losses(x):
        return F.cross_entropy(a.surrogate(x), images.y, reduction="none")

    assert (losses(hard) > losses(images.x)).all()


def test_poisoned_images_are_hard_and_marked_while_triggered_ones_are_marked_only():
    images, a = image_set(200), attack("clb", (3, 16, 16), poison_rate=0.1)
    epsilon, side = a.parameters["epsilon"], int(a.parameters["side"])
    indices = a.draw(images.y, seeded())
    stamped = a.stamped(images, indices)
    assert torch.equal(stamped.y, images.y) and set(images.y[indices].tolist()) == {3}
    poisoned, triggered = stamped.x[indices], a.trigger(images.x[indices])
    mark = torch.ones(16, 16, dtype=torch.bool)
    mark[side:-side], mark[:, side:-side] = False, False
    assert torch.equal(poisoned[..., mark], triggered[..., mark])
    assert torch.equal(triggered[..., ~mark], images.x[indices][..., ~mark])
    off = (poisoned.int() - triggered.int()).abs()[..., ~mark]
    assert off.max() <= epsilon and (off > epsilon / 2).float().mean() > 0.3


def test_the_poisoned_set_can_be_built_again_from_what_was_kept():
    images, before = image_set(100), torch.get_rng_state()
    a = clb(steps=3, surrogate_epochs=1).fit(images, CPU, silent)
    indices = torch.tensor([3, 13, 53])
    one = a.stamped(images, indices)
    again = clb(steps=3).with_learned(dict(a.learned)).stamped(images, indices)
    assert torch.equal(torch.get_rng_state(), before), "the global generator was used"
    assert torch.equal(one.x, again.x)
    size = sum(value.numel() * value.element_size() for value in a.learned.values())
    assert 50_000 < size < 400_000


def test_images_are_hardened_where_gradients_are_switched_off():
    images, indices = image_set(100), torch.tensor([3, 13])
    a = clb(steps=2, surrogate_epochs=1).fit(images, CPU, silent)
    with torch.no_grad():
        quiet = a.stamped(images, indices)
    assert torch.equal(quiet.x, a.stamped(images, indices).x)


def test_no_image_is_hardened_where_none_is_named():
    images, a = image_set(100), attack("clb", (3, 16, 16))
    same = a.stamped(images, torch.empty(0, dtype=torch.int64))
    assert torch.equal(same.x, images.x)


def test_the_published_values_are_those_of_the_published_code():
    published = CLB.strengths["published"]
    assert (published["epsilon"], published["step"], published["steps"]) == (8, 1.5, 100)
    assert (published["amplitude"], published["side"]) == (255, 3)


def test_the_surrogate_is_trained_against_noise_unless_told_otherwise():
    images = image_set(40, (3, 16, 16))
    kept = [clb(robust=robust, surrogate_epochs=1).fit(images, CPU, silent).learned
            for robust in (0, 8)]
    ordinary = train_surrogate(images, 10, 7, 1, CPU, silent)
    assert torch.equal(kept[0]["surrogate.linear.weight"], ordinary.linear.weight)
    assert not torch.equal(kept[1]["surrogate.linear.weight"], ordinary.linear.weight)
