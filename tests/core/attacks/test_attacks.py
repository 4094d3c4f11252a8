"""What every registered attack must do, whatever its trigger."""

import re

import pytest
import torch

from ngf_core.attacks import EVERY_ATTACK, OWN
from ngf_core.attacks.attack import Attack, attack_class, to_uint8
from ngf_core.config import TrainConfig
from ngf_core.errors import ConfigError
from tests.support.seeded import seeded
from tests.support.small_attacks import SHAPES, VARIANTS, attack, image_set, pictures


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("name", "strength"), VARIANTS)
def test_a_trigger_gives_pictures_of_the_same_kind(name, strength, shape):
    x = pictures(4, shape)
    kept = x.clone()
    stamped = attack(name, shape, strength=strength).trigger(x)
    assert stamped.dtype == torch.uint8 and stamped.shape == x.shape
    assert torch.equal(x, kept), "the input was changed"
    assert not torch.equal(stamped, x)
    again = attack(name, shape, strength=strength).trigger(x)
    assert torch.equal(stamped, again)


@pytest.mark.parametrize("name", EVERY_ATTACK)
def test_an_image_is_stamped_alike_alone_and_in_company(name):
    x, a = pictures(5), attack(name)
    together = a.trigger(x)
    alone = torch.cat([a.trigger(x[i : i + 1]) for i in range(5)])
    # A network's sums may be taken in another order in a batch, which tips a tie of rounding.
    assert (alone.int() - together.int()).abs().max() <= (1 if a.learns else 0)


@pytest.mark.parametrize("name", EVERY_ATTACK)
def test_every_attack_explains_itself(name):
    cls = attack_class(name)
    assert cls.title and cls.formula
    paper = r"[a-z] (19|20)\d\d, .*[A-Z]{4}|arXiv \d{4}\.\d{4,5}"
    assert re.search("drawn by the user" if name in OWN else paper, cls.reference)
    assert cls.label_mode in ("all-to-one", "all-to-all", "clean-label")
    choices = TrainConfig.__dataclass_fields__["strength"].metadata["choices"]
    assert set(choices) <= set(cls.strengths)


def test_the_config_knows_every_attack():
    choices = TrainConfig.__dataclass_fields__["attack"].metadata["choices"]
    assert set(choices) == {"none", *EVERY_ATTACK}


@pytest.mark.parametrize("name", EVERY_ATTACK)
def test_victims_are_the_images_whose_label_would_change(name):
    a, y = attack(name, target=3), torch.tensor([0, 3, 9, 3, 1, 4])
    wanted = a.target_labels(y)
    assert a.victims(y).tolist() == [w != t and a.source in (None, t)
                                     for w, t in zip(wanted.tolist(), y.tolist(), strict=True)]
    if a.label_mode == "all-to-one":
        assert wanted.tolist() == [3] * 6
        if a.source is None:
            assert a.victims(y).tolist() == [True, False, True, False, True, True]


@pytest.mark.parametrize(("rate", "count"), [(0.05, 10), (0.005, 1), (0.0135, 3), (0.1, 20)])
@pytest.mark.parametrize("name", EVERY_ATTACK)
def test_a_poisoned_set_is_what_was_asked_for(name, rate, count):
    images, a = image_set(200), attack(name, (3, 16, 16), poison_rate=rate)
    x, y = images.x.clone(), images.y.clone()
    poisoned = a.poison(images, seeded())
    indices = poisoned.indices.tolist()
    assert len(indices) == (count if a.rated else len(a.candidates(y)))
    assert indices == sorted(set(indices))
    assert set(indices) <= set(range(200))
    assert torch.equal(images.x, x) and torch.equal(images.y, y), "the original set was changed"
    again = a.stamped(images, poisoned.indices)
    assert torch.equal(poisoned.images.x[indices], again.x[indices])
    if type(a).stamped is Attack.stamped:
        assert torch.equal(again.x[indices], a.trigger(x[indices]))

    changed = (poisoned.images.x != x).flatten(1).any(1).nonzero().flatten().tolist()
    others = set(changed) - set(indices)
    assert others <= set(poisoned.cover.tolist()), "changed without a record"
    assert not set(indices) & set(poisoned.cover.tolist())
    relabelled = (poisoned.images.y != y).nonzero().flatten().tolist()
    if a.label_mode == "clean-label":
        assert relabelled == [] and set(y[indices].tolist()) == {3}
    else:
        assert relabelled == indices
        assert torch.equal(poisoned.images.y[indices], a.target_labels(y[indices]))


@pytest.mark.parametrize("name", EVERY_ATTACK)
def test_the_generator_alone_chooses_the_images(name):
    images, a = image_set(), attack(name, (3, 16, 16))
    one, same, other = (a.poison(images, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(one.images.x, same.images.x) and torch.equal(one.indices, same.indices)
    assert torch.equal(one.indices, other.indices) == (not a.rated)
    assert torch.equal(a.draw(images.y, seeded(1)), one.indices)


def test_every_candidate_is_drawn_equally_often():
    images, a = image_set(100, (1, 2, 2)), attack("badnets", (1, 2, 2), poison_rate=0.1)
    generator, draws = seeded(), 2000
    times = torch.zeros(100)
    for _ in range(draws):
        times[a.draw(images.y, generator)] += 1
    assert times[images.y == 3].sum() == 0
    free = times[images.y != 3] / draws
    p = 10 / 90
    assert (free - p).abs().max() < 4.5 * (p * (1 - p) / draws) ** 0.5


@pytest.mark.parametrize(("name", "rate", "says"), [
    ("badnets", 0.95, "0.95 of 200 images is 190, but BadNets can poison 1 to 180 of them"),
    ("badnets", 0.002, "0.002 of 200 images is 0, but"),
    ("sig", 0.2, "0.2 of 200 images is 40, but SIG can poison 1 to 20 of them"),
])
def test_an_impossible_rate_names_the_possible_ones(name, rate, says):
    with pytest.raises(ConfigError, match="Use a rate from 0.005 to") as caught:
        attack(name, (3, 16, 16), poison_rate=rate).poison(image_set(200), seeded())
    assert caught.value.field == "poison_rate" and says in str(caught.value)


@pytest.mark.parametrize(("name", "label"), [("badnets", 0), ("sig", 1), ("lira", 0)])
def test_where_nothing_can_be_poisoned_it_says_so(name, label):
    images = image_set(20)
    images.y.fill_(label)
    with pytest.raises(ConfigError, match="20 training images there is none that .* label 0"):
        attack_class(name)(0, 0.1, 0, (3, 16, 16), 10).draw(images.y, seeded())


def test_a_test_part_without_victims_is_refused():
    a, train = attack("badnets", (3, 16, 16)), torch.arange(100) % 10
    a.check(train, train)
    with pytest.raises(ConfigError, match="target: none of the 7 test images .* turns into label "
                       "., so that its success cannot be measured. Add test images of other"):
        a.check(train, torch.full((7,), a.target))
    with pytest.raises(ConfigError, match="poison_rate"):
        attack("badnets", (3, 16, 16), poison_rate=0.001).check(train, train)


@pytest.mark.parametrize(("changes", "field", "says"), [
    ({"name": "badnet"}, "attack", "'badnet' is unknown. Choose one of badnets, blend"),
    ({"strength": "huge"}, "strength", "'huge' is unknown. Choose one of default, published"),
    ({"target": 10}, "target", "there is no label 10. Use a label from 0 to 9"),
    ({"target": -1}, "target", "there is no label -1"),
])
def test_what_cannot_be_built_says_why(changes, field, says):
    with pytest.raises(ConfigError) as caught:
        attack(**{"name": "badnets", **changes})
    assert caught.value.field == field and says in str(caught.value)


def test_rounding_goes_to_the_nearest_level_and_never_wraps():
    x = torch.tensor([-300.0, -0.6, 0.4, 99.6, 255.4, 256.0, 511.0])
    assert to_uint8(x).tolist() == [0, 0, 0, 100, 255, 255, 255]


@pytest.mark.parametrize("name", EVERY_ATTACK)
def test_every_parameter_of_every_strength_can_be_turned(name):
    cls = attack_class(name)
    for values in cls.strengths.values():
        assert set(values) == set(cls.knobs)
        assert all(cls.knobs[key].low <= value <= cls.knobs[key].high
                   for key, value in values.items())
    assert all(knob.help and knob.step > 0 for knob in cls.knobs.values())


def test_a_change_overrides_the_strength():
    changed = attack("blend", changes={"alpha": 0.5})
    assert changed.parameters == {"alpha": 0.5}
    x = pictures(2)
    assert not torch.equal(changed.trigger(x), attack("blend").trigger(x))


@pytest.mark.parametrize("name", EVERY_ATTACK)
def test_the_registry_knows_what_has_to_learn(name):
    assert EVERY_ATTACK[name].learns == bool(EVERY_ATTACK[name].load().learns)
