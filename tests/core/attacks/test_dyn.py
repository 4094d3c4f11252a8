"""Dyn: a trigger of its own for every image, its losses, and the three shares of an epoch."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from ngf_core.attacks.attack import Attack, build_attack
from ngf_core.attacks.dyn import Dyn, diversity_loss, masks, partners, patterns
from ngf_core.data.dataset import Images
from ngf_core.errors import ConfigError
from ngf_core.models.normalise import Normalise
from tests.support.seeded import seeded
from tests.support.small_attacks import CPU, attack, image_set, pictures

SHAPE = (3, 16, 16)
SILENT = lambda done, total, sentence: None  # noqa: E731


class Spy(nn.Module):
    """A linear model that keeps its last input, in levels."""

    def __init__(self) -> None:
        super().__init__()
        self.normalise = Normalise()
        self.linear = nn.Linear(math.prod(SHAPE), 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen = x.detach() * 255
        return self.linear(self.normalise(x).flatten(1))


def unfitted(name: str = "dyn_one", **changes: float) -> Attack:
    return build_attack(name, target=3, poison_rate=0.1, seed=0, shape=SHAPE, classes=10,
                        changes={"mask_epochs": 1, **changes})


def begun(images: Images, **changes: float) -> tuple:
    """An attack's control in the first epoch of two, a spy and the epoch's images."""
    a = unfitted(**changes).fit(images, CPU, SILENT)
    control, spy = a.control(images, seeded(), 2, CPU), Spy()
    return a, control, spy, control.epoch(0, spy)


@pytest.mark.parametrize("name", ["dyn_one", "dyn_all"])
def test_the_pattern_is_painted_where_the_mask_says(name):
    a, x = attack(name, SHAPE), pictures(6, SHAPE)
    g, m = (network(x).double().numpy() for network in a.networks)
    pattern = 255 * (np.tanh(g) / 2 + 0.5)
    mask = np.tanh(10 * np.tanh(m)) / 2 + 0.5
    assert pattern.shape == x.shape and mask.shape == (6, 1, 16, 16)
    clean = x.double().numpy()
    expected = clean + (pattern - clean) * mask
    assert np.abs(a.trigger(x).numpy() - expected).max() <= 0.5 + 1e-3


def test_a_trigger_is_made_for_its_image():
    a, x, others = attack("dyn_one"), pictures(8), pictures(8, seed=1)
    pattern, mask = a.networks
    with torch.no_grad():
        made, opaque = patterns(pattern, others), masks(mask, others)
    expected = (x + (made - x) * opaque).round()
    crossed = a.cross_trigger(x, others)
    assert (crossed.float() - expected).abs().max() <= 1
    assert not torch.equal(crossed, a.trigger(x))
    assert torch.equal(a.cross_trigger(x, x), a.trigger(x))
    assert (made[0] - made[1]).abs().max() > 1


def test_the_diversity_loss_is_the_mean_ratio_of_distances():
    x, f = torch.randn(5, 3, 4, 4, generator=seeded()), torch.randn(5, 1, 4, 4, generator=seeded(1))
    ratios = []
    for i in range(5):
        near, far = x[i] - x[i - 1], f[i] - f[i - 1]
        ratios.append(np.sqrt((near.numpy() ** 2).mean()) / np.sqrt((far.numpy() ** 2).mean()))
    assert diversity_loss(x, f).item() == pytest.approx(np.mean(ratios), rel=1e-4)
    assert diversity_loss(2 * x, f).item() == pytest.approx(2 * np.mean(ratios), rel=1e-4)
    assert diversity_loss(x, 2 * f).item() == pytest.approx(np.mean(ratios) / 2, rel=1e-4)


def test_outputs_that_agree_cost_much_and_have_a_finite_gradient():
    f = torch.ones(4, 1, 4, 4, requires_grad=True)
    loss = diversity_loss(torch.randn(4, 3, 4, 4, generator=seeded()), f)
    loss.backward()
    assert loss > 1e5 and f.grad.isfinite().all()


def test_fitting_makes_masks_that_are_sparse_and_differ():
    images, x = image_set(384), pictures(32, SHAPE, seed=5)

    def fitted(**changes: float) -> torch.Tensor:
        a = unfitted(**{"mask_epochs": 8, "density": 0.032, **changes}).fit(images, CPU, SILENT)
        with torch.no_grad():
            return masks(a.networks[1], x)

    m = fitted()
    assert 0.003 < m.mean() < 0.08, "the density of the paper is 0.032"
    assert (m > 0.5).float().std(0).max() > 0.1, "one mask for all images"
    assert fitted(sparsity=0.0).mean() > 2 * m.mean()


def test_fitting_depends_on_its_seed_and_leaves_the_global_one():
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one = unfitted().fit(image_set(), CPU, SILENT).learned
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    two = unfitted().fit(image_set(), CPU, SILENT).learned
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert any(key.startswith("mask.") for key in one)
    assert any(key.startswith("pattern.") for key in one)


def test_fitting_reports_every_epoch():
    told = []
    unfitted(mask_epochs=2).fit(image_set(40), CPU, lambda *call: told.append(call))
    assert [call[:2] for call in told] == [(1, 2), (2, 2)]


@pytest.mark.parametrize(("ratio", "crosses"), [(1.0, 20), (0.5, 10), (0.0, 0), (5.0, 100)])
def test_cross_triggered_images_keep_their_label(ratio, crosses):
    images = image_set(200)
    poisoned = unfitted(cross_ratio=ratio).fit(images, CPU, SILENT).poison(images, seeded())
    assert len(poisoned.indices) == 20 and len(poisoned.cover) == crosses
    assert torch.equal(poisoned.images.y[poisoned.cover], images.y[poisoned.cover])
    assert not set(poisoned.cover.tolist()) & set(poisoned.indices.tolist())


def test_cross_triggered_images_carry_another_images_trigger():
    images = image_set(100)
    a = attack("dyn_one", SHAPE, poison_rate=0.1)
    poisoned = a.poison(images, seeded())
    own = a.trigger(images.x[poisoned.cover])
    differs = (poisoned.images.x[poisoned.cover] != own).flatten(1).any(1)
    assert differs.all()


def test_a_partner_is_any_other_image():
    rows = torch.arange(5).repeat(400)
    drawn = partners(rows, 5, seeded())
    assert (drawn != rows).all() and drawn.min() == 0 and drawn.max() == 4
    assert torch.bincount((drawn - rows) % 5).min() == 0  # the distance 0 never occurs
    assert torch.bincount((drawn - rows) % 5)[1:].min() > 400


def test_images_are_drawn_anew_every_epoch():
    _, control, spy, first = begun(image_set(200))
    second = control.epoch(1, spy)
    assert len(first.indices) == len(second.indices) == 20
    assert not torch.equal(first.indices, second.indices)


def test_a_batch_holds_clean_poisoned_and_cross_triggered_images():
    images = image_set(200)
    a, control, spy, drawn = begun(images)
    rows = torch.randperm(200, generator=seeded(3))[:120]
    loss = control.loss(spy, rows, drawn.images.x[rows], drawn.images.y[rows])
    kind = torch.zeros(200, dtype=torch.int64)
    kind[drawn.indices], kind[drawn.cover] = 1, 2
    kind, x, seen = kind[rows], images.x[rows], spy.seen.round()
    assert (spy.seen - seen).abs().max() < 1e-3, "not rounded to levels"
    assert torch.equal(seen[kind == 0], x[kind == 0].float())
    assert (seen[kind == 1] - a.trigger(x[kind == 1]).float()).abs().max() <= 1

    # A cross-triggered image has the trigger of the changed image before it in the batch.
    changed = (kind > 0).nonzero().flatten()
    before = changed.roll(1)[kind[changed] == 2]
    crossed = changed[kind[changed] == 2]
    expected = a.cross_trigger(x[crossed], x[before])
    assert len(crossed) > 3
    assert (seen[crossed] - expected.float()).abs().max() <= 1

    with torch.no_grad():
        own = x[changed]
        spread = diversity_loss(own.float(), patterns(control.pattern, own))
        ce = nn.functional.cross_entropy(spy(seen / 255), drawn.images.y[rows])
    assert loss.item() == pytest.approx((ce + spread).item(), rel=1e-3)


def test_the_given_attack_stays_as_it_was():
    images, x = image_set(200), pictures(4, SHAPE)
    a, control, spy, drawn = begun(images)
    before = a.trigger(x)
    rows = torch.arange(128)
    control.loss(spy, rows, drawn.images.x[rows], drawn.images.y[rows]).backward()
    control.step()
    assert torch.equal(a.trigger(x), before)
    assert not torch.equal(control.attack.trigger(x), before)


def test_the_generator_learns_and_the_mask_rests():
    a, control, spy, drawn = begun(image_set(200))
    rows = torch.arange(128)
    control.loss(spy, rows, drawn.images.x[rows], drawn.images.y[rows]).backward()
    assert all(w.grad.abs().sum() > 0 for w in control.pattern.parameters())
    control.step()
    now = control.attack.learned
    for key, value in a.learned.items():
        assert torch.equal(now[key], value) == key.startswith("mask."), key
    assert all(w.grad is None for w in control.pattern.parameters())


def test_the_generator_finds_patterns_that_the_classifier_takes_for_the_target():
    """Against a classifier that rests, the loss can fall by way of the generator only."""
    images = image_set(200)
    _, control, spy, drawn = begun(images, diversity=0.0, cross_ratio=0.0, density=0.5, lr=0.02)

    def asr_loss() -> float:
        x = control.attack.trigger(images.x[drawn.indices])
        with torch.no_grad():
            return nn.functional.cross_entropy(spy(x / 255), drawn.images.y[drawn.indices]).item()

    before = asr_loss()
    for _ in range(8):
        control.loss(spy, drawn.indices, drawn.images.x[drawn.indices],
                     drawn.images.y[drawn.indices]).backward()
        control.step()
    assert asr_loss() < before - 0.05


@pytest.mark.parametrize("changed", ["none", "poisoned", "crossed"])
def test_a_batch_with_no_pair_to_compare_is_trained_on_as_it_is(changed):
    _, control, spy, drawn = begun(image_set(200))
    free = torch.ones(200, dtype=torch.bool)
    free[drawn.indices] = free[drawn.cover] = False
    one = {"none": drawn.indices[:0], "poisoned": drawn.indices[:1], "crossed": drawn.cover[:1]}
    rows = torch.cat([free.nonzero().flatten()[:10], one[changed]])
    x, y = drawn.images.x[rows], drawn.images.y[rows]
    loss = control.loss(spy, rows, x, y)
    assert loss.item() == pytest.approx(nn.functional.cross_entropy(spy(x), y).item(), rel=1e-5)
    loss.backward()
    control.step()


def test_labels_of_dyn_all_go_round():
    a = build_attack("dyn_all", target=0, poison_rate=0.1, seed=0, shape=SHAPE, classes=7)
    assert a.target_labels(torch.tensor([0, 5, 6])).tolist() == [1, 6, 0]


@pytest.mark.parametrize(("name", "title"), [("dyn_one", "Dyn-one"), ("dyn_all", "Dyn-all")])
def test_a_trigger_that_was_not_learned_says_so(name, title):
    with pytest.raises(ConfigError) as caught:
        unfitted(name).trigger(pictures(1, SHAPE))
    assert caught.value.field == "attack"
    assert f"{title} has not learned its pattern generator yet" in str(caught.value)
    assert "Train a run with it first." in str(caught.value)


def test_the_published_values_are_those_of_the_paper():
    assert Dyn.strengths["published"] == {"density": 0.032, "sparsity": 100.0, "diversity": 1.0,
                                          "cross_ratio": 1.0, "mask_epochs": 25, "lr": 0.01}
