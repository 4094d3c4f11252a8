"""Rows of a growing basis, kept in blocks."""

import torch
from torch import Tensor

# A block holds several short vectors, or one long one.
BLOCK_ROWS = 16
BLOCK_BYTES = 64_000_000


class Basis:
    """Vectors q_1 .. q_m of length P that grow one by one.

    They are stored in blocks, so that adding one copies none of the others and no more than a block
    is allocated ahead, on the first vector's device (processor or GPU).
    """

    def __init__(self, *blocks: Tensor) -> None:
        """Start with the rows of these (b, P) tensors, which are not copied."""
        self.blocks = [block for block in blocks if len(block)]
        self._room: Tensor | None = None

    def __len__(self) -> int:
        return sum(len(block) for block in self.blocks)

    @property
    def length(self) -> int:
        """P."""
        return self.blocks[0].shape[1]

    @property
    def dtype(self) -> torch.dtype:
        """The vectors'."""
        return self.blocks[0].dtype

    def append(self, q: Tensor) -> None:
        """Add the vector q (P,)."""
        used = len(self.blocks[-1]) if self._room is not None else 0
        if self._room is None or used == len(self._room):
            bytes_each = max(1, q.numel() * q.element_size())
            rows = min(BLOCK_ROWS, max(1, BLOCK_BYTES // bytes_each))
            self._room, used = q.new_empty(rows, len(q)), 0
            self.blocks.append(self._room[:0])
        self._room[used] = q
        self.blocks[-1] = self._room[: used + 1]

    def head(self, count: int) -> "Basis":
        """The first `count` vectors. Vectors added to one of the two do not appear in the other."""
        blocks = []
        for block in self.blocks:
            blocks.append(block[:count])
            count -= len(blocks[-1])
        return Basis(*blocks)

    def overlaps(self, w: Tensor) -> Tensor:
        """Q w, shape (m,)."""
        return torch.cat([block @ w for block in self.blocks]) if self.blocks else w.new_empty(0)

    def combine(self, coefficients: Tensor) -> Tensor:
        """coefficients Q: (m,) -> (P,), or (k, m) -> (k, P)."""
        counts = [len(block) for block in self.blocks]
        parts = coefficients.to(self.blocks[0]).split(counts, -1)
        total: Tensor = parts[0] @ self.blocks[0]
        for part, block in zip(parts[1:], self.blocks[1:], strict=True):
            total += part @ block
        return total

    def tensor(self) -> Tensor:
        """All vectors as the rows of one new tensor (m, P)."""
        return torch.cat(self.blocks)

    def orthogonal(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """The part of `w` orthogonal to the vectors, and the overlaps (m,) that were subtracted.

        Subtracted twice, which is enough (Giraud et al., Numerische Mathematik 101, 2005).
        """
        if not self.blocks:
            return w, w.new_empty(0)
        first = self.overlaps(w)
        w = w - self.combine(first)
        second = self.overlaps(w)
        return w - self.combine(second), first + second
