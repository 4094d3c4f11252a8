"""The graphs of all samples, chunk by chunk: as many kept as fit, the others rebuilt."""

import itertools
from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from ngf_core.curvature.operators.data import Data, chunks, fingerprint
from ngf_core.curvature.operators.memory import GraphBytes
from ngf_core.errors import NGFError

# v, one part per parameter, each of the parameter's shape -> the same; None for zero.
Product = Callable[[Sequence[Tensor]], Sequence[Tensor | None]]
Build = Callable[[Tensor, Tensor], Product]


class ChunkGraphs:
    """The products with each chunk's matrix, the same each time they are asked for.

    build(inputs, targets) makes a graph and returns the product through it. The graphs of the first
    chunks, of at most `wanted` samples each, are made once and kept within `memory` bytes. see: is
    called with every chunk's targets, once, at the start.

    `build` is not kept: it belongs to an operator, which holds this, and what is in a circle stays
    in memory until Python's collector runs.

    Attributes: cached_samples, cached_bytes (of the graphs kept), recomputed_samples.
    """

    def __init__(self, build: Build, data: Data, graph: GraphBytes,
                 memory: float, wanted: int, see: Callable[[Tensor], None]) -> None:
        self._data = data
        self._chunk = graph.largest_chunk(memory, wanted)
        self.cached_bytes = 0.0
        self.cached_samples = self.recomputed_samples = 0
        self._kept: list[Product] = []
        self._left_out: list[str] = []
        # One more graph may be built beside those kept.
        room = memory - graph.of(self._chunk)
        for inputs, targets in chunks(data, self._chunk):
            see(targets)
            needed = graph.of(len(inputs))
            if self._left_out or self.cached_bytes + needed > room:
                self._left_out.append(fingerprint(inputs, targets))
                self.recomputed_samples += len(inputs)
            else:
                self._kept.append(build(inputs, targets))
                self.cached_bytes += needed
                self.cached_samples += len(inputs)

    def products(self, build: Build) -> Iterator[Product]:
        """The products of all chunks, in order; `build` again for those that are not kept."""
        yield from self._kept
        if not self._left_out:
            return
        again = itertools.islice(chunks(self._data, self._chunk), len(self._kept), None)
        for expected, batch in itertools.zip_longest(self._left_out, again):
            if expected is None or batch is None or fingerprint(*batch) != expected:
                raise NGFError("The data are not the same as when they were first read, so their "
                               "curvature is not defined. Switch off shuffling and random "
                               "augmentation, or allow memory for all graphs.")
            yield build(*batch)
