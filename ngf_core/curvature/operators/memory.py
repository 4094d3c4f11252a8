"""How many bytes an autograd graph keeps, and how many graphs fit a budget."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor, UntypedStorage
from torch.autograd.graph import saved_tensors_hooks

from ngf_core.errors import ConfigError

# Bytes that the graphs of one operator may keep by default.
MEMORY = 2_000_000_000


@dataclass(frozen=True)
class GraphBytes:
    """The bytes a graph of n samples keeps: fixed + per_sample n."""

    fixed: float
    per_sample: float

    def of(self, samples: int) -> float:
        return self.fixed + self.per_sample * samples

    def largest_chunk(self, memory: float, wanted: int) -> int:
        """As many samples, at most `wanted`, as one graph within `memory` bytes can hold.

        Raises ConfigError if not even one fits.
        """
        if not self.of(1) <= memory:
            raise ConfigError("memory", f"{memory:.3g} bytes are too few for the graph of one "
                              f"sample, which keeps {self.of(1):.3g}",
                              "Allow more, or name fewer parameters.")
        if self.of(wanted) <= memory:
            return wanted
        return int((memory - self.fixed) / self.per_sample)


def measure_graph(build: Callable[[int], object], samples: int,
                  ignored: Iterable[Tensor]) -> GraphBytes:
    """The bytes kept by the graphs that `build(n)` makes and returns, from n = 1 and `samples`.

    Counts each storage once; those of the `ignored` tensors, the parameters, not at all.
    """
    known = {t.untyped_storage()._cdata for t in ignored}
    one = _kept(build, 1, known)
    if samples == 1:
        return GraphBytes(0, one)
    slope = (_kept(build, samples, known) - one) / (samples - 1)
    return GraphBytes(max(0, one - slope), max(0, slope))


def _kept(build: Callable[[int], object], samples: int, known: set[int]) -> int:
    # By their own addresses, as tensors on the meta device have no data; and kept, so that none is
    # reused while counting.
    storages: dict[int, UntypedStorage] = {}

    def pack(saved: Tensor) -> Tensor:
        storage = saved.untyped_storage()
        if storage._cdata not in known:
            storages[storage._cdata] = storage
        # Detached: an output that its own node keeps would prevent the graph from being freed.
        return saved.detach()

    with saved_tensors_hooks(pack, lambda saved: saved):
        graph = build(samples)
    del graph
    return sum(storage.nbytes() for storage in storages.values())
