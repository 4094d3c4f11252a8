"""Triggered images of a set that may be too large to be held twice: made part by part, when asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ngf_core.attacks.attack import PART, Attack
from ngf_core.data.dataset import Images


@dataclass(frozen=True)
class Stamped:
    """The images at `rows` of `images` with the trigger of `attack`, uint8, and their true labels.

    They are made anew each time, always in the same parts, so that a trigger which is computed by a
    network comes out the same to the last bit.
    """

    images: Images
    rows: Tensor
    attack: Attack

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def nbytes(self) -> int:
        """Bytes of all of them."""
        return len(self) * self.images.x[:1].nbytes

    @property
    def y(self) -> Tensor:
        """Their true labels, int64 (n,)."""
        return self.images.y[self.rows]

    @property
    def x(self) -> Tensor:
        """All of them at once, uint8 (n, C, H, W)."""
        return torch.cat([self.images.x[:0], *self.batches(PART)])

    def batches(self, size: int) -> Iterator[Tensor]:
        """All of them in their order, `size` at a time; no more than a part is held besides."""
        left = self.images.x[:0]
        for part in self.rows.split(PART):
            made = self.attack.trigger(self.images.x[part])
            whole = torch.cat([left, made]) if len(left) else made
            full = len(whole) // size * size
            yield from whole[:full].split(size) if full else ()
            left = whole[full:]
        if len(left):
            yield left
