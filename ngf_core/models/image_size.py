"""Small images and large ones: where the networks for CIFAR and for ImageNet differ."""

SMALL = 64


def small(shape: tuple[int, int, int]) -> bool:
    """Whether images of `shape` (C, H, W) are at most 64 pixels wide and high.

    Networks made for ImageNet begin by reducing 224 pixels to 56, which would leave nothing of
    32. For small images they start at full resolution, as is usual on CIFAR.
    """
    return max(shape[1:]) <= SMALL
