"""What answers on clean images tell about a model that was taken in wrongly."""

import pytest
import torch
from torch import nn

from ngf_core.data.dataset import Images
from ngf_core.errors import ConfigError, NGFError
from ngf_core.imports.doubts import best_order, doubts
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
    assert "little more than the 16.7 % of chance" in found.sentences[0]


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
    _, share = best_order(p, y)  # noise, for which the best order of its own images is too good
    assert share < 0.25


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
