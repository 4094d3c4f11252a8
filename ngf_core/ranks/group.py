"""The ranks of a run, joined by Lightning Fabric: sums and joined shares over all of them."""

import io
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, distributed

from ngf_core.ranks.torchrun import place

if TYPE_CHECKING:
    from lightning_fabric import Fabric

# A paused run waits as long as it likes. That a rank is gone is told by its closed connection and
# by torchrun, not by the clock.
PATIENCE = timedelta(days=30)


@dataclass(frozen=True)
class Ranks:
    """All ranks, as one of them sees them. Every rank has to call the same methods in one order.

    Every method returns the same numbers, bit by bit, on all ranks.
    """

    fabric: "Fabric"

    @property
    def rank(self) -> int:
        """Which one this process is, from 0."""
        return int(self.fabric.global_rank)

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.fabric.world_size)

    def share(self, n: int, rank: int | None = None) -> slice:
        """Which of n rows are a rank's (this one's): consecutive ones, equally many but for one."""
        rank = self.rank if rank is None else rank
        each, more = divmod(n, self.count)
        first = rank * each + min(rank, more)
        return slice(first, first + each + (rank < more))

    def sum(self, part: Tensor) -> Tensor:
        """The sum of all ranks' parts, of one shape."""
        total = part.detach().to(self.fabric.device, copy=True)
        distributed.all_reduce(total)
        return total.to(part.device)

    def join(self, own: Tensor, n: int) -> Tensor:
        """n rows of which each rank has its share `own`."""
        longest = -(-n // self.count)
        padded = torch.zeros((longest, *own.shape[1:]), dtype=own.dtype,
                             device=self.fabric.device)
        padded[: len(own)] = own.detach()
        parts = [torch.empty_like(padded) for _ in range(self.count)]
        distributed.all_gather(parts, padded)
        shares = [self.share(n, rank) for rank in range(self.count)]
        return torch.cat([part[: share.stop - share.start]
                          for part, share in zip(parts, shares, strict=True)]).to(own.device)

    def each(self, value: Any) -> list[Any]:
        """What every rank has, in their order: plain values."""
        found: list[Any] = [None] * self.count
        distributed.all_gather_object(found, value)
        return found

    def agreed(self, value: Any) -> Any:
        """What the first rank has; the others' `value` is not looked at.

        Plain values, tensors, and dicts, lists and tuples of such; tensors of the first rank's GPU
        come to this one's.
        """
        content = io.BytesIO()
        if self.rank == 0:
            torch.save(value, content)
        sent: bytes = self.fabric.broadcast(content.getvalue())
        first = {"cuda:0": str(self.fabric.device)}
        return torch.load(io.BytesIO(sent), map_location=first, weights_only=True)


@cache
def joined() -> Ranks | None:
    """The ranks with which torchrun has started this process, once all have called it; None where
    there is no other."""
    here = place()
    if here is None:
        return None
    from lightning_fabric import Fabric
    from lightning_fabric.strategies import DDPStrategy

    # Buffers are alike without being sent: each rank has the statistics of the whole batch.
    strategy = DDPStrategy(timeout=PATIENCE, broadcast_buffers=False)
    fabric = Fabric(accelerator="cuda" if torch.cuda.is_available() else "cpu", strategy=strategy,
                    devices=here.count // here.nodes, num_nodes=here.nodes)
    fabric.launch()
    return Ranks(fabric)


def leave() -> None:
    """End this process's part in the ranks, where it had one."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()
    joined.cache_clear()


def is_lost(error: BaseException) -> bool:
    """Whether an error of a sum or a join says that another rank is gone."""
    if isinstance(error, distributed.DistError):
        return True
    # gloo raises a plain RuntimeError.
    words = ("gloo", "Connection closed by peer", "Connection reset", "NCCL", "ProcessGroup")
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)
