"""Augmentations against loops over windows and rectangles."""

import pytest
import torch

from ngf_core.data import AUGMENTATIONS
from ngf_core.data.augment import add_noise, are_images, augment, clipped, crop, erase
from tests.support.seeded import seeded


def pictures(n: int, channels: int = 3, height: int = 8, width: int = 10) -> torch.Tensor:
    return torch.randint(1, 256, (n, channels, height, width), generator=seeded(9),
                         dtype=torch.uint8)


def windows(image: torch.Tensor, pad: int) -> list[torch.Tensor]:
    """Every image-sized cut of the zero-padded image, row by row."""
    channels, height, width = image.shape
    padded = torch.zeros(channels, height + 2 * pad, width + 2 * pad, dtype=image.dtype)
    padded[:, pad : pad + height, pad : pad + width] = image
    return [padded[:, i : i + height, j : j + width]
            for i in range(2 * pad + 1) for j in range(2 * pad + 1)]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_crop_is_a_window_of_the_padded_image(channels):
    x = pictures(60, channels)
    cut = crop(x, 4, seeded())
    assert cut.shape == x.shape and cut.dtype == torch.uint8
    places = []
    for before, after in zip(x, cut):
        found = [k for k, window in enumerate(windows(before, 4)) if torch.equal(window, after)]
        assert len(found) == 1
        places += found
    assert len(set(places)) > 20  # each image has its own place


def test_every_window_is_equally_likely():
    x = pictures(1, 1, 3, 3).expand(4500, 1, 3, 3)
    cut = crop(x, 1, seeded())
    times = torch.tensor([(cut == window).flatten(1).all(1).sum() for window in windows(x[0], 1)])
    assert times.sum() == 4500
    assert ((times - 500).abs() < 4.5 * (4500 * (1 / 9) * (8 / 9)) ** 0.5).all()


def test_erasing_fills_one_rectangle_with_one_colour():
    height, width = 20, 30
    x = torch.full((300, 3, height, width), 2.0)  # no random colour is 2
    erased = erase(x, seeded())
    sides = []
    for image in erased:
        changed = (image != 2).all(0)
        assert torch.equal(changed, (image != 2).any(0))
        rows, columns = changed.any(1), changed.any(0)
        top, left = rows.nonzero().flatten(), columns.nonzero().flatten()
        h, w = len(top), len(left)
        assert top[-1] - top[0] + 1 == h and left[-1] - left[0] + 1 == w
        assert changed.sum() == h * w
        colours = image[:, changed]
        assert (colours == colours[:, :1]).all() and ((colours >= 0) & (colours < 1)).all()
        sides.append((h, w))
    for k, size in enumerate((height, width)):
        lengths = [side[k] for side in sides]
        assert 0.2 * size - 1 <= min(lengths) < 0.27 * size
        assert 0.43 * size < max(lengths) <= 0.5 * size + 1


def test_noise_has_its_own_deviation_for_every_image_and_stays_in_bounds():
    noisy = add_noise(torch.full((400, 3, 16, 16), 0.5), seeded())
    deviations = (noisy - 0.5).flatten(1).std(1)
    assert deviations.max() < 0.1 * 1.15 and deviations.min() < 0.01
    assert abs(deviations.mean() - 0.05) < 5 * 0.1 / 12**0.5 / 20
    for edge in (0.0, 1.0):
        pushed = add_noise(torch.full((20, 3, 8, 8), edge), seeded())
        assert pushed.min() >= 0 and pushed.max() <= 1


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmented_images_are_floats_in_bounds_and_repeatable(name):
    x = pictures(12)
    kept = x.clone()
    one, same, other = (augment(name, x, seeded(seed)) for seed in (1, 1, 2))
    assert one.dtype == torch.float32 and one.shape == x.shape
    assert one.min() >= 0 and one.max() <= 1
    assert torch.equal(one, same) and torch.equal(x, kept)
    assert torch.equal(one, other) == (name == "none")


def test_what_the_names_mean():
    x = pictures(12)
    assert torch.equal(augment("none", x, seeded()), x.float() / 255)
    cut = crop(x, 4, seeded()).float() / 255
    assert torch.equal(augment("crop", x, seeded()), cut)
    generator = seeded()
    cut = crop(x, 4, generator).float() / 255
    assert torch.equal(augment("strong", x, seeded()), add_noise(erase(cut, generator), generator))


MEAN, SPREAD = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor(
    [0.229, 0.224, 0.225]).view(3, 1, 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_a_normalisation_and_its_inverse_leave_images(dtype):
    x = pictures(20).to(dtype) / 255
    x[0], x[1] = 0, 1
    mean, spread = MEAN.to(dtype), SPREAD.to(dtype)
    back = (x - mean) / spread * spread + mean
    back[0, 0, 0, 0], back[1, 0, 0, 0] = -3e-8, 1 + torch.finfo(dtype).eps
    assert back.min() < 0 and back.max() > 1 and are_images(back)
    found = clipped(back)
    assert found.min() == 0 and found.max() == 1 and found.dtype == dtype
    assert (found - back).abs().max() <= max(1e-6, torch.finfo(dtype).eps)


@pytest.mark.parametrize("off", [-2e-6, 1 + 2e-6, -0.5, 3.0])
def test_what_is_further_off_is_no_image_and_stays(off):
    x = pictures(3).float() / 255
    x[0, 0, 0, 0] = off
    assert not are_images(x) and clipped(x) is x
    flat = torch.full((3, 4), -3e-8)
    assert not are_images(flat) and torch.equal(clipped(flat), flat)
