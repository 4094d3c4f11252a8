"""Write `assets/data/signs_ties.npz`, the levels of the signs' values that lie near a tie.

Run once from the repository root, on the processor whose signs are to hold everywhere:

    python -m ngf_core.data.make_signs_asset

It refuses to write where the signs as drawn here are not those of `CHECKSUM`, on which all models
that ship were trained. Whoever changes the drawing on purpose changes that checksum first.
"""

from pathlib import Path

import numpy as np
from torch import Tensor

from ngf_core.data.dataset import checksum
from ngf_core.data.signs import CHECKSUM, COUNT, NEAR, SEED, TIES, render_levels
from ngf_core.errors import NGFError


def near_ties(levels: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Indices, int32, of the values closer than `NEAR` to halfway between two levels, counted
    through all images, and the levels, uint8, that they are rounded to."""
    flat = levels.flatten()
    index = ((flat - flat.floor() - 0.5).abs() < NEAR).nonzero()[:, 0]
    return index.numpy().astype(np.int32), flat[index].round().numpy().astype(np.uint8)


def write(path: Path = TIES) -> int:
    """Draw the signs and store the levels near ties at `path`; returns how many there are.

    Raises NGFError where the signs drawn here are others.
    """
    levels, labels = render_levels(COUNT, SEED)
    drawn = checksum(levels.round().byte(), labels)
    if drawn != CHECKSUM:
        raise NGFError(f"The signs as drawn here have the checksum {drawn[:12]}…, not "
                       f"{CHECKSUM[:12]}…. Use the processor and the torch that drew them.")
    index, level = near_ties(levels)
    np.savez_compressed(path, index=index, level=level)
    return len(index)


if __name__ == "__main__":
    print(f"{TIES.name}: {write()} levels")
