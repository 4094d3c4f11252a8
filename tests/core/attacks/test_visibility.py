"""Image quality against closed forms."""

import math
import warnings

import numpy as np
import pytest

from ngf_core.attacks.visibility import quality


def noise(count: int = 4, channels: int = 3, side: int = 32) -> np.ndarray:
    """Random images that leave room for an offset."""
    shape = (count, channels, side, side)
    return np.random.default_rng(0).integers(60, 196, shape, dtype=np.uint8)


def constant(level: int, side: int = 16) -> np.ndarray:
    return np.full((1, 1, side, side), level, np.uint8)


@pytest.mark.parametrize("offset", [1, 7, 60])
def test_a_constant_offset_has_a_psnr_in_closed_form(offset):
    clean = noise()
    for triggered in (clean + offset, clean - offset):
        found = quality(clean, triggered.astype(np.uint8))
        expected = 20 * math.log10(255 / offset)
        assert found.psnr.mean == pytest.approx(expected)
        assert (found.psnr.low, found.psnr.high) == pytest.approx((expected, expected))
        assert (found.linf.mean, found.linf.low, found.linf.high) == (offset,) * 3


def test_a_patch_has_the_psnr_of_its_share_of_the_image():
    clean, triggered = constant(0), constant(0)
    triggered[..., :4, :4] = 255  # a sixteenth of the image, changed by all there is
    assert quality(clean, triggered).psnr.mean == pytest.approx(10 * math.log10(16))


@pytest.mark.parametrize(("a", "b"), [(50, 100), (200, 190), (0, 255)])
def test_ssim_of_constant_images_is_its_term_of_luminance(a, b):
    # No variance: SSIM = (2ab + C1) / (a^2 + b^2 + C1) with C1 = (0.01 * 255)^2.
    expected = (2 * a * b + 2.55**2) / (a**2 + b**2 + 2.55**2)
    assert quality(constant(a), constant(b)).ssim.mean == pytest.approx(expected)


def test_identical_images_are_perfect_and_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = quality(noise(), noise())
    assert found.psnr.mean == found.psnr.low == found.psnr.high == math.inf
    assert found.ssim.mean == pytest.approx(1)
    assert found.linf.high == 0 and found.unchanged == found.n == 4


def test_an_unchanged_image_is_counted_and_not_averaged():
    clean = noise(3)
    triggered = clean.copy()
    triggered[0] += 10
    triggered[1] += 20
    found = quality(clean, triggered)
    psnr = [20 * math.log10(255 / d) for d in (10, 20)]
    assert found.psnr.mean == pytest.approx(sum(psnr) / 2)
    assert (found.psnr.low, found.psnr.high) == (pytest.approx(psnr[1]), math.inf)
    assert (found.linf.mean, found.linf.low, found.linf.high) == (10, 0, 20)
    assert (found.n, found.unchanged) == (3, 1)


def test_a_change_is_no_wrap_around():
    assert quality(constant(255), constant(0)).linf.high == 255
    assert quality(constant(0), constant(255)).linf.high == 255


def test_more_noise_is_less_similar():
    clean, generator = noise(), np.random.default_rng(1)
    weak, strong = (np.clip(clean + generator.normal(0, sd, clean.shape), 0, 255).astype(np.uint8)
                    for sd in (5, 40))
    assert 1 > quality(clean, weak).ssim.mean > quality(clean, strong).ssim.mean
    assert quality(clean, weak).psnr.mean > quality(clean, strong).psnr.mean


@pytest.mark.parametrize("side", [3, 4, 5, 7, 28])
@pytest.mark.parametrize("channels", [1, 3])
def test_small_and_grey_images(side, channels):
    clean = noise(2, channels, side)
    assert quality(clean, clean).ssim.mean == pytest.approx(1)


@pytest.mark.parametrize(("clean", "triggered", "said"), [
    (noise(2), noise(3), "triggered ones"), (noise(2) / 255, noise(2), "clean images must be"),
    (noise(2), noise(2)[0], "triggered images must be"), (noise(2)[:0], noise(2)[:0], "n > 0")])
def test_what_cannot_be_compared_is_refused(clean, triggered, said):
    with pytest.raises(ValueError, match=said):
        quality(clean, triggered)
