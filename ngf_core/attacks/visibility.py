"""How visible a trigger is: PSNR, SSIM and L-infinity between clean and triggered images."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVELS = 255
WINDOW = 7


@dataclass(frozen=True)
class Spread:
    """Mean, least and greatest of a measure over images.

    An infinite value (the PSNR of an image that was not changed) is left out of the mean, unless
    all are infinite: then the mean is infinite too.
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Quality:
    """PSNR in dB, SSIM (1 is identical) and the largest change of a pixel in levels of 255, over
    `n` images, of which `unchanged` are identical to their clean version."""

    psnr: Spread
    ssim: Spread
    linf: Spread
    n: int
    unchanged: int


def quality(clean: NDArray[np.uint8], triggered: NDArray[np.uint8]) -> Quality:
    """The quality of triggered images against clean ones, both uint8 (n, C, H, W).

    PSNR = 10 log10(255^2 / mean squared change); SSIM (Wang et al. 2004) with scikit-image's
    uniform window of 7 pixels, or the largest odd one that fits a smaller image, averaged over the
    channels. Raises ValueError for unequal shapes, another type, or no image.
    """
    for name, images in (("clean", clean), ("triggered", triggered)):
        if images.dtype != np.uint8 or images.ndim != 4 or not len(images):
            raise ValueError(f"{name} images must be uint8 (n, C, H, W), n > 0, "
                             f"not {images.dtype} {images.shape}")
    if clean.shape != triggered.shape:
        raise ValueError(f"clean images are {clean.shape}, triggered ones {triggered.shape}")
    pairs = list(zip(clean, triggered, strict=True))
    change = np.abs(clean.astype(int) - triggered).max((1, 2, 3))
    return Quality(psnr=_spread([_psnr(*pair) for pair in pairs]),
                   ssim=_spread([_ssim(*pair) for pair in pairs]),
                   linf=_spread([float(most) for most in change]),
                   n=len(clean), unchanged=int((change == 0).sum()))


def _psnr(clean: NDArray[np.uint8], triggered: NDArray[np.uint8]) -> float:
    from skimage.metrics import peak_signal_noise_ratio

    if np.array_equal(clean, triggered):
        return math.inf  # what it tends to; the library would warn of a division by zero
    return float(peak_signal_noise_ratio(clean, triggered, data_range=LEVELS))


def _ssim(clean: NDArray[np.uint8], triggered: NDArray[np.uint8]) -> float:
    from skimage.metrics import structural_similarity

    side = min(clean.shape[1:])
    window = min(WINDOW, side - 1 + side % 2)
    return float(structural_similarity(clean, triggered, channel_axis=0, data_range=LEVELS,
                                       win_size=window))


def _spread(values: list[float]) -> Spread:
    finite = [value for value in values if math.isfinite(value)] or values
    return Spread(sum(finite) / len(finite), min(values), max(values))
