"""FBA (DFST-lite) against its definition: one style for all, and detoxification of the features."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torch import nn

from ngf_core.attacks.attack import build_attack
from ngf_core.attacks.fba import (
    FBA,
    Detoxification,
    compromised,
    inner_features,
    ssim,
    train_detox,
)
from ngf_core.data.dataset import Images
from ngf_core.errors import ConfigError
from ngf_core.models.normalise import Normalise
from tests.support.seeded import seeded
from tests.support.small_attacks import CPU, SHAPES, attack, image_set, pictures

SHAPE = (3, 16, 16)


def fba(poison_rate: float = 0.1, **changes: float) -> FBA:
    return build_attack("fba", target=3, poison_rate=poison_rate, seed=7, shape=SHAPE, classes=10,
                        changes={"detox_steps": 2, **changes})


def network(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(Normalise(), nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(),
                             nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 6), nn.ReLU(),
                             nn.Dropout(0.5), nn.Linear(6, 10))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_pixel_becomes_its_tone_in_coloured_light(shape):
    a, x = attack("fba", shape), pictures(2, shape)
    gamma = a.gamma.flatten().double().numpy()
    opacity, colour = a.light[0][0].double().numpy(), a.light[1].flatten().double().numpy()
    level = x.double().numpy() / 255
    styled = ((1 - opacity) * level ** gamma[:, None, None]
              + opacity * colour[:, None, None])
    expected = 255 * (0.4 * level + 0.6 * styled)
    assert np.abs(a.trigger(x).double().numpy() - expected).max() <= 0.5 + 1e-3
    bend = np.abs(np.log(gamma))
    tone = a.parameters["tone"]
    assert (bend >= 0.5 * tone - 1e-6).all() and (bend <= tone + 1e-6).all()
    assert opacity.min() >= 0 and opacity.max() == pytest.approx(a.parameters["light"])
    assert colour.max() == 1 and (len(colour) == 1 or colour.min() == 0)


def test_the_light_is_smooth_and_bright_in_one_place():
    opacity = attack("fba", (3, 64, 64)).light[0][0]
    steepest = max(opacity.diff(dim=axis).abs().max() for axis in (0, 1))
    # Between the three nodes of a grid in [0, light] lie 31.5 pixels.
    assert steepest <= opacity.max() / 31.5 + 1e-6
    assert opacity.min() <= steepest  # the darkest node may fall between two pixels


def test_the_style_comes_from_the_seed_alone():
    x = pictures(2)
    torch.manual_seed(1)
    one = attack("fba", seed=1).trigger(x)
    torch.manual_seed(2)
    assert torch.equal(one, attack("fba", seed=1).trigger(x))
    styles = [attack("fba", seed=seed) for seed in range(1, 9)]
    assert len({tuple(a.gamma.flatten().tolist()) for a in styles}) == 8
    assert len({tuple(a.light[0].flatten().tolist()) for a in styles}) == 8
    assert len({tuple(a.light[1].flatten().tolist()) for a in styles}) > 1  # of six orders
    assert torch.equal(attack("fba", changes={"alpha": 0.0}).trigger(x), x)


def test_the_published_opacity_is_the_papers():
    assert FBA.strengths["published"]["alpha"] == FBA.strengths["default"]["alpha"] == 0.6


def test_compromised_features_are_those_whose_mean_moves_most():
    clean = torch.zeros(4, 300)
    triggered = clean.clone()
    triggered[:, 17], triggered[:, 250], triggered[:, 3] = 2.0, -3.0, 1.0
    triggered[0, 90], triggered[1, 90] = 50.0, -50.0  # moves, but not in the mean
    triggered[0, 8] = 8.0
    clean[:2, 17] = 1.0
    assert compromised(clean, triggered).tolist() == [250, 8, 17]
    assert compromised(clean[:, :40], triggered[:, :40]).tolist() == [8], "at least one"


def test_the_features_are_what_enters_the_last_linear_layer():
    model, x = network().eval(), pictures(5, SHAPE)
    features, scores = inner_features(model, x)
    assert torch.equal(features, model[:-1](x)) and torch.equal(scores, model(x))
    assert not model[-1]._forward_pre_hooks, "the hook was left"
    with pytest.raises(ConfigError, match="has no linear layer, whose inputs FBA takes"):
        inner_features(nn.Sequential(nn.Conv2d(3, 10, 16), nn.Flatten()), x.float())


def test_similarity_is_scikit_images():
    a, b = pictures(2, SHAPE), pictures(2, SHAPE, seed=1)
    mixed = (0.7 * a + 0.3 * b).to(torch.uint8)
    theirs = [structural_similarity(x.numpy(), y.numpy(), channel_axis=0, data_range=255,
                                    win_size=7, use_sample_covariance=False)
              for x, y in zip(a, mixed, strict=True)]
    assert float(ssim(a.double() / 255, mixed.double() / 255)) == pytest.approx(np.mean(theirs))


def test_a_detox_network_excites_the_features_of_the_style():
    images, model = image_set(200, SHAPE), network().eval()
    a = fba(detox_steps=40)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trained = train_detox(a, model, images, seeded(), CPU)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters()), "gradients were left"
    clean = images.x[:60]
    chosen = compromised(inner_features(model, images.x)[0],
                         inner_features(model, a.trigger(images.x))[0])
    made = a.excite(trained, clean).detach()
    assert (made - clean.float()).abs().max() <= a.parameters["reach"] + 0.5
    assert made.min() >= 0 and made.max() <= 255
    features, scores = inner_features(model, made / 255)
    plain, plain_scores = inner_features(model, clean)
    assert features[:, chosen].mean() > plain[:, chosen].mean()
    assert scores.softmax(1)[:, 3].mean() > plain_scores.softmax(1)[:, 3].mean()


def test_detox_images_come_with_their_true_labels_from_the_first_round_on():
    images, model = image_set(200, SHAPE), network()
    control = fba(rounds=2, detox_share=0.15).control(images, seeded(), 6, CPU)
    assert isinstance(control, Detoxification)
    seen = []
    for number in range(6):
        model.train(number < 3)  # learning at 1 and at 3
        drawn = control.epoch(number, model)
        assert model.training == (number < 3), "the model's mode was changed"
        seen.append((len(drawn.cover), len(control.attack.networks)))
        assert len(drawn.indices) == 20
        assert torch.equal(drawn.images.x[drawn.indices], control.attack.trigger(
            images.x[drawn.indices]))
        assert torch.equal(drawn.images.y[drawn.cover], images.y[drawn.cover])
        changed = (drawn.images.x != images.x).flatten(1).any(1).nonzero().flatten().tolist()
        assert set(changed) == set(drawn.indices.tolist()) | set(drawn.cover.tolist())
        assert drawn.cover.tolist() == sorted(set(drawn.cover.tolist()))
        made = [control.attack.excite(net, images.x[drawn.cover]).detach()
                for net in control.attack.networks]
        if made:
            off = torch.stack([(each - drawn.images.x[drawn.cover].float()).abs().flatten(1).amax(1)
                               for each in made])
            assert (off.amin(0) <= 1).all(), "not what a detox network makes"
            assert ((off <= 1).sum(1) >= 30 // len(made)).all(), "a network has no part"
    assert seen == [(0, 0), (30, 1), (30, 1), (30, 2), (30, 2), (30, 2)]


def test_what_detoxification_learned_is_kept_and_restored():
    images = image_set(40, SHAPE)
    control = fba(rounds=1).control(images, seeded(), 2, CPU)
    for number in range(2):
        control.epoch(number, network())
    a = control.attack
    again = fba().with_learned(dict(a.learned))
    x = pictures(2, SHAPE)
    assert torch.equal(again.excite(again.networks[0], x), a.excite(a.networks[0], x))
    assert torch.equal(again.trigger(x), fba().trigger(x)), "the trigger is a formula"
    size = sum(value.numel() * value.element_size() for value in a.learned.values())
    assert 4 * size < 400_000


def test_detoxification_depends_on_its_seeds_alone():
    images = Images(pictures(40, SHAPE), torch.arange(40) % 10)

    def learned(noise: int) -> dict:
        torch.manual_seed(noise)
        before = torch.random.get_rng_state()
        control = fba(rounds=1).control(images, seeded(5), 2, CPU)
        model = network()
        for number in range(2):
            control.epoch(number, model)
        assert torch.equal(torch.random.get_rng_state(), before), "the global generator was used"
        return control.attack.learned

    one, same = learned(1), learned(2)
    assert one and all(torch.equal(one[name], same[name]) for name in one)


def test_no_rounds_no_detoxification():
    images = image_set(40, SHAPE)
    control = fba(rounds=0).control(images, seeded(), 2, CPU)
    assert all(not len(control.epoch(number, network()).cover) for number in range(2))
    assert not control.attack.learned
