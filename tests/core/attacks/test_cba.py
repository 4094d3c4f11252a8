"""CBA against its definition: halves of A and B, covered by mixes within a class."""

import pytest
import torch
from torch import nn

from ngf_core.attacks.attack import build_attack
from ngf_core.attacks.cba import CBA, contrastive
from ngf_core.data.dataset import Images
from ngf_core.errors import ConfigError
from tests.support.seeded import seeded
from tests.support.small_attacks import CPU, SHAPES, attack, image_set, pictures

SHAPE = (3, 16, 16)


def quiet(done: int, total: int, sentence: str) -> None:
    pass


def fitted(images: Images, **settings: object) -> CBA:
    """CBA towards label 3: A is 4 and B is 5."""
    made = build_attack("cba", **{"target": 3, "poison_rate": 0.1, "seed": 7, "classes": 10,
                                  "shape": images.shape, **settings})
    return made.fit(images, CPU, quiet)


def flat(labels: torch.Tensor, shape: tuple[int, int, int] = SHAPE) -> Images:
    """One grey level an image: 10 * label + a number below 10 that tells images apart."""
    own = torch.arange(len(labels)) // 10 % 10
    levels = (10 * labels + own).to(torch.uint8)
    return Images(levels[:, None, None, None].expand(-1, *shape).clone(), labels)


def halves(image: torch.Tensor) -> tuple[int, list[int]]:
    """Where the seam of an image of two flat halves runs, and the levels before and after it."""
    picture = image[0]
    rows = bool((picture == picture[:, :1]).all())
    line = picture[:, 0] if rows else picture[0]
    assert torch.equal(picture, line[:, None].expand_as(picture) if rows
                       else line.expand_as(picture)), "not cut straight"
    steps = (line[1:] != line[:-1]).nonzero().flatten()
    assert len(steps) == 1, "not cut once"
    return int(steps[0]) + 1, [int(line[0]), int(line[-1])]


def test_its_classes_follow_the_target_around():
    for target, source, partner in ((0, 1, 2), (8, 9, 0), (9, 0, 1)):
        a = build_attack("cba", target=target, poison_rate=0.1, seed=0, shape=SHAPE, classes=10)
        assert (a.source, a.partner) == (source, partner)
        y = torch.arange(10)
        assert a.victims(y).nonzero().flatten().tolist() == [source]
        assert set(a.target_labels(y).tolist()) == {target}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_triggered_image_is_half_itself_and_half_a_banked_image_of_b(shape):
    a = fitted(flat(torch.arange(200) % 10, shape))
    own, side = 200, shape[1]
    x = torch.full((1, *shape), own, dtype=torch.uint8).repeat(40, 1, 1, 1)
    x[torch.arange(40), :, 0, 0] = torch.arange(40, dtype=torch.uint8)[:, None]  # tell them apart
    seen, bank = set(), {int(level) for level in a.learned["bank"].flatten(1)[:, 0]}
    assert bank <= set(range(50, 60))
    for image in a.trigger(x):
        image[:, 0, 0] = image[:, 0, 1] if side - 1 else 0
        seam, levels = halves(image)
        reach = round(3 * side / 32)
        assert side // 2 - reach <= seam <= side // 2 + reach
        assert own in levels and (set(levels) - {own}) <= bank
        rows = bool((image[0, :, 0] != image[0, 0, 0]).any())
        seen.add((rows, levels[0] == own))
    assert seen == {(rows, ahead) for rows in (True, False) for ahead in (True, False)}


def test_what_an_image_is_mixed_with_follows_from_its_pixels():
    a, x = fitted(image_set(200, SHAPE)), pictures(60, SHAPE, seed=3)
    assert torch.equal(a.trigger(x.flip(0)), a.trigger(x).flip(0))
    changed = (a.trigger(x) != x).any(1)
    halves_and_seams = 2 * 2 * 5  # the seam of 16 pixels runs within two of the middle
    assert len({tuple(c.flatten().tolist()) for c in changed}) == halves_and_seams


def test_the_other_half_may_be_moved_but_the_images_own_stays():
    a = attack("cba", (1, 32, 32))
    ramp = torch.arange(32, dtype=torch.uint8).expand(1, 1, 32, 32)
    own = torch.full((1, 1, 32, 32), 99, dtype=torch.uint8)
    moves = set()
    for number in range(0, 4 * 7**3, 4):  # the halves stay, seam and moves run
        mixed = a.mix(own, ramp, torch.tensor([number]))[0, 0]
        other = mixed != 99
        columns = torch.arange(32).expand(32, 32)[other]
        shift = mixed[other].int() - columns
        inner = (columns > 3) & (columns < 28)
        assert shift[inner].unique().numel() == 1
        moves.add(int(shift[inner][0]))
    assert moves == set(range(-3, 4))


def test_poisoned_images_are_mixes_of_a_and_b():
    images = flat(torch.arange(400) % 10)
    poisoned = fitted(images).poison(images, seeded())
    assert len(poisoned.indices) == 40
    for image in poisoned.images.x[poisoned.indices]:
        _, levels = halves(image)
        assert {level // 10 for level in levels} == {4, 5}
    assert poisoned.images.y[poisoned.indices].tolist() == [3] * 40


def test_the_bank_is_half_of_b_and_never_mixed_in_training():
    images = Images(pictures(400, SHAPE), torch.arange(400) % 10)
    a = fitted(images)
    bank = a.bank_rows(images)
    assert len(bank) == 20 and set(images.y[bank].tolist()) == {5}
    assert torch.equal(a.learned["bank"], images.x[bank])
    rest = torch.ones(400, dtype=torch.bool)
    rest[bank] = False
    poisoned = a.poison(images, seeded())
    mixed = torch.cat([poisoned.indices, poisoned.cover])
    seen = pieces(poisoned.images.x[mixed])
    assert seen & pieces(images.x[rest & (images.y == 5)])
    assert not seen & pieces(images.x[bank])


def pieces(x: torch.Tensor) -> set[tuple[int, ...]]:
    """All 1 x 4 pieces of random images, which chance does not repeat."""
    rows = x.unfold(3, 4, 1).permute(0, 2, 3, 1, 4).flatten(0, 2).flatten(1)
    return {tuple(row) for row in rows.tolist()}


@pytest.mark.parametrize(("strength", "count"), [("default", 100), ("published", 200)])
def test_a_share_of_the_set_is_mixed_within_its_class(strength, count):
    images = flat(torch.arange(400) % 10)
    a = fitted(images, poison_rate=0.05, strength=strength)
    poisoned = a.poison(images, seeded())
    assert len(poisoned.cover) == count
    assert torch.equal(poisoned.images.y[poisoned.cover], images.y[poisoned.cover])
    labels = poisoned.images.x[poisoned.cover].flatten(1) // 10
    assert torch.equal(labels, images.y[poisoned.cover][:, None].expand_as(labels))
    changed = (poisoned.images.x != images.x).flatten(1).any(1)
    assert changed[poisoned.cover].float().mean() > 0.7  # a mix with its like looks unchanged
    assert not set(poisoned.cover.tolist()) & set(a.bank_rows(images).tolist())


def test_no_share_means_no_cover():
    images = image_set(200, SHAPE)
    assert not len(fitted(images, changes={"mix_share": 0.0}).poison(images, seeded()).cover)


def test_other_indices_give_other_mixes_and_the_same_the_same():
    images = image_set(200, SHAPE)
    a = fitted(images)
    one, same = (a.stamped(images, torch.tensor([0, 7, 9])).x for _ in range(2))
    other = a.stamped(images, torch.tensor([0, 7, 10])).x
    assert torch.equal(one, same) and not torch.equal(one[0], other[0])


def test_the_bank_stays_small():
    images = Images(torch.zeros(20, 3, 224, 224, dtype=torch.uint8), torch.arange(20) % 3)
    bank = fitted(images, classes=3, target=0).learned["bank"]
    assert bank.shape == (1, 3, 224, 224) and bank.dtype == torch.uint8


def test_the_contrastive_loss_pulls_a_label_together_and_others_a_unit_apart():
    labels = torch.tensor([0, 0, 1])
    apart = torch.tensor([[0.0, 0.0], [0.3, 0.4], [0.0, 0.6]])
    # distances: 0.5 (same), 0.6 and sqrt(0.09 + 0.04) (different)
    expected = (0.25 + 0.16 + (1 - 0.13**0.5) ** 2) / 3
    assert contrastive(apart, labels) == pytest.approx(expected, abs=1e-6)
    far = torch.tensor([[0.0, 0.0], [0.0, 0.0], [2.0, 0.0]])
    assert contrastive(far, labels) == pytest.approx(0, abs=1e-6)
    assert contrastive(far[:1], labels[:1]) == 0
    outputs = torch.zeros(3, 2, requires_grad=True)
    contrastive(outputs, labels).backward()
    assert outputs.grad.isfinite().all()


def test_the_loss_adds_it_for_labels_a_b_and_c_alone():
    images = image_set(40, SHAPE)
    model = nn.Sequential(nn.Flatten(), nn.Linear(768, 10))
    x, y = images.x.float() / 255, images.y

    def loss(weight: float, rows: torch.Tensor) -> float:
        a = fitted(images, changes={"similarity": weight})
        return a.control(images, seeded(), 1, CPU).loss(model, rows, x[rows], y[rows]).item()

    mixed, others = torch.arange(40), torch.tensor([0, 1, 2, 6, 7, 8, 9])
    outputs = model(x).softmax(1)
    own = (y >= 3) & (y <= 5)
    extra = contrastive(outputs[own], y[own]).item()
    plain = nn.functional.cross_entropy(model(x), y).item()
    assert loss(0.0, mixed) == pytest.approx(plain, rel=1e-5)
    assert loss(2.0, mixed) == pytest.approx(plain + 2 * extra, rel=1e-5)
    assert loss(2.0, others) == pytest.approx(loss(0.0, others), rel=1e-6)


@pytest.mark.parametrize(("make", "field", "says"), [
    (lambda: fitted(image_set(20, SHAPE), classes=2, target=0), "attack", "needs three classes"),
    (lambda: fitted(Images(pictures(6, SHAPE), torch.tensor([0, 1, 2, 3, 4, 5]))), "target",
     "mixes labels 4 and 5, which have too few images"),
    (lambda: build_attack("cba", target=3, poison_rate=0.1, seed=0, shape=SHAPE,
                          classes=10).trigger(pictures(1, SHAPE)), "attack",
     "has not learned its bank of pictures of its second class yet. Train a run with it first."),
])
def test_what_cannot_be_mixed_says_why(make, field, says):
    with pytest.raises(ConfigError) as caught:
        make()
    assert caught.value.field == field and says in str(caught.value)


def test_the_published_values_are_the_papers():
    assert CBA.strengths["published"] == {"mix_share": 0.5, "jitter": 3, "similarity": 1.0}
