"""What answers on clean images tell about a model that was taken in wrongly."""

import pytest
import torch
from torch import nn

from ngf_core.data.dataset import Images
from ngf_core.errors import ConfigError, NGFError
from ngf_core.imports.doubts import PIXELS, Way, best_order, doubts
from ngf_core.imports.received import NORMALISATIONS, Pixels, Received, normalisation

CLASSES = 6


class Nearest(nn.Module):
    """The class whose colour is nearest to the image's mean colour, on normalised pixels."""

    def __init__(self, colours):
        super().__init__()
        self.colours = nn.Parameter(colours)

    def forward(self, x):
        return -((x.mean((2, 3))[:, None] - self.colours) ** 2).sum(2)


@pytest.fixture
def images():
    draw = torch.Generator().manual_seed(0)
    colours = torch.tensor([[200, 40, 40], [40, 200, 40], [40, 40, 200], [200, 200, 40],
                            [40, 200, 200], [110, 110, 110]])
    y = torch.arange(240) % CLASSES
    noise = torch.randint(-20, 21, (240, 3, 8, 8), generator=draw)
    x = (colours[y][:, :, None, None] + noise).clamp(0, 255).to(torch.uint8)
    return Images(x, y), colours / 255


def model_for(colours, trained="imagenet", taken="imagenet", trained_order="rgb", order="rgb",
              outputs=None):
    mean, deviation = (torch.tensor(part) for part in normalisation(trained, 3))
    seen = colours.flip(1) if trained_order == "bgr" else colours
    seen = (seen - mean) / deviation
    if outputs is not None:
        seen = seen[outputs]
    return Received(Pixels(*normalisation(taken, 3), order), Nearest(seen))


def test_a_model_taken_in_rightly_raises_no_doubt(images):
    clean, colours = images
    found = doubts(model_for(colours), clean, "imagenet")
    assert found.sentences == () and found.accuracy.value == 1


def test_a_wrong_normalisation_is_named(images):
    clean, colours = images
    found = doubts(model_for(colours, trained="imagenet", taken="none"), clean, "none")
    assert found.accuracy.value < 0.9
    assert "100.0 % with normalisation imagenet and order rgb" in found.sentences[0]


def test_swapped_channels_are_named(images):
    clean, colours = images
    found = doubts(model_for(colours, trained_order="bgr"), clean, "imagenet")
    assert found.accuracy.value < 0.7
    assert "normalisation imagenet and order bgr" in found.sentences[0]


def test_another_order_of_the_classes_is_named(images):
    clean, colours = images
    outputs = torch.tensor([3, 0, 5, 1, 4, 2])  # output i answers for label outputs[i]
    found = doubts(model_for(colours, outputs=outputs), clean, "imagenet")
    order = torch.argsort(outputs).tolist()
    assert f"100.0 % with its classes in the order {','.join(map(str, order))}" in (
        found.sentences[0])


def test_a_model_of_something_else(images):
    clean, _ = images
    found = doubts(model_for(torch.full((CLASSES, 3), 0.5)), clean, "imagenet")
    assert "hardly better than chance (16.7 %)" in found.sentences[0]


def test_answers_that_are_not_finite_are_refused(images):
    clean, colours = images
    model = model_for(colours)
    with torch.no_grad():
        model.network.colours[0] = float("nan")
    with pytest.raises(NGFError, match="answers to 240 of 240 clean images are not finite"):
        doubts(model, clean, "imagenet")


def test_the_order_is_judged_on_other_images_than_it_was_found_on():
    draw = torch.Generator().manual_seed(1)
    p, y = torch.rand(200, 10, generator=draw), torch.randint(10, (200,), generator=draw)
    order, judging = best_order(p, y)  # noise: the best order of its own images is too good
    right = (torch.tensor(order)[y] == p.argmax(1)).double()
    assert len(set(judging.tolist())) == 100
    assert right[judging].mean() < 0.15 < 2 * right.mean() - right[judging].mean()


def few(clean, n):
    """The first n images; the classes take turns."""
    return clean.take(slice(0, n))


def test_few_images_refuse_no_model_and_say_that_they_are_few(images):
    """Of 4 images, BGR gets at most 4 more right: 4 heads of 4 tosses."""
    clean, colours = images
    found = doubts(model_for(colours, trained_order="bgr"), few(clean, 4), "imagenet")
    assert found.accuracy.hits < 3 and found.sentences == ()
    assert "whether its normalisation is right: it gets" in " ".join(found.untold)
    assert "100.0 % with normalisation imagenet and order bgr, which may be an acc" in " ".join(
        found.untold)
    assert "whether the order of its classes is right: 5 per class are needed, 30" in " ".join(
        found.untold)


def test_few_right_answers_are_no_proof(images):
    """4 of 4 right leave the accuracy anywhere above 51 %; 240 of 240 above 98 %."""
    clean, colours = images
    found = doubts(model_for(colours), few(clean, 4), "imagenet")
    assert found.accuracy.value == 1 and found.sentences == ()
    assert [about in sentence for about, sentence in zip(
        ("order of its classes", "normalisation"), found.untold, strict=True)] == [True, True]
    assert doubts(model_for(colours), clean, "imagenet").untold == ()


def test_chance_on_few_images_is_no_doubt(images):
    clean, _ = images
    model = model_for(torch.full((CLASSES, 3), 0.5))  # says class 0 always
    found = doubts(model, few(clean, 4), "imagenet")
    assert found.sentences == ()
    assert "better than chance: it gets 25.0 % of 4 right, and chance 16.7 %" in found.untold[-1]


def flags(both, mine, other, neither):
    """Images that both ways get right, only one, and none."""
    counts = torch.tensor([both, mine, other, neither])
    return Way(PIXELS, "another", *(torch.tensor(row).repeat_interleave(counts) for row in (
        [True, True, False, False], [True, False, True, False])))


@pytest.mark.parametrize("counts, better", [
    ((0, 0, 8, 0), False), ((0, 0, 9, 0), True),      # sqrt(9) = 3 errors
    ((50, 0, 9, 41), False), ((50, 0, 10, 40), True),  # a tenth of the images
    ((0, 10, 26, 14), False), ((0, 10, 32, 8), True)])  # 16 / sqrt(36) = 2.7, 22 / sqrt(42) = 3.4
def test_a_way_is_better_by_a_tenth_and_three_errors(counts, better):
    way = flags(*counts)
    _, mine, other, _ = counts
    n = sum(counts)
    assert way.gain == pytest.approx((other - mine) / n)
    assert way.error == pytest.approx((other + mine)**0.5 / n)
    assert way.better == better


@pytest.mark.parametrize("counts, told", [
    ((0, 10, 26, 14), False),  # better by a third, which may be an accident
    ((12, 0, 0, 8), False), ((12, 0, 0, 9), True),  # 8 wrong answers are no three errors
    ((60, 0, 0, 0), True), ((492, 0, 0, 8), True)])  # as good as can be
def test_what_images_tell(counts, told):
    assert (flags(*counts).untold() is None) == told


@pytest.mark.parametrize("text, message", [
    ("imagnet", "neither a name nor numbers"),
    ("0.5,0.5/0.2,0.2", "has 2 channels, and the images have 3"),
    ("0.5/0", "out of range"), ("a/b", "neither a name")])
def test_bad_normalisations(text, message):
    with pytest.raises(ConfigError, match=message):
        normalisation(text, 3)


@pytest.mark.parametrize("name", NORMALISATIONS)
def test_pixels(name):
    mean, deviation = normalisation(name, 3)
    x = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    wanted = (x.double() / 255 - torch.tensor(mean).view(-1, 1, 1)) / torch.tensor(
        deviation).view(-1, 1, 1)
    assert torch.allclose(Pixels(mean, deviation)(x).double(), wanted, atol=1e-5)
    assert torch.allclose(Pixels(mean, deviation, "bgr")(x.flip(1)).double(), wanted, atol=1e-5)
    assert Pixels(mean, deviation, "rgb", 16)(x).shape == (2, 3, 16, 16)
