"""Any operator over samples of which each rank has a share."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from ngf_core.curvature.operators.data import Data, check_batch, chunks
from ngf_core.curvature.operators.loss_operator import LossOperator
from ngf_core.errors import ConfigError, NGFError
from ngf_core.ranks.group import Ranks


class ShardedOperator:
    """The matrix A = (1/n) sum_i A_i of all n samples, from the operators of the ranks' shares.

    A v = sum_r (n_r / n) A_r v, which takes one sum over the ranks per product. Every rank has to
    make the same products in the same order, with the same vectors.

    make: data -> the operator of these samples, as `lambda share: HessianOperator(model, share)`;
        every rank needs the same model. data: as for `LossOperator`, the same on every rank; of two
        tensors each rank takes consecutive rows, of batches every count-th. `make` is called with
        one sample where a rank has none.

    Attributes: size, dtype, device, shapes as the operator's; samples n; products made so far.
    Where the data do not fit or `make` fails on one rank, all raise: an NGFError with the sentence
    of the first that has one, RuntimeError for what is none.
    """

    def __init__(self, make: Callable[[Data], LossOperator], data: Data, ranks: Ranks) -> None:
        self._ranks = ranks
        own, error = 0, None
        try:
            share = _share(data, ranks)
            empty = next(chunks(share, 1), None) is None
            self._own = make(_first(data) if empty else share)
            own = 0 if empty else self._own.samples
        except Exception as found:
            error = found
        told = ranks.each((own, _said(error)))
        first = next((said for _, said in told if said is not None), None)
        if first is not None:
            if error is not None and _said(error) == first:
                raise error
            known, sentence = first
            raise (NGFError if known else RuntimeError)(sentence) from error
        self.samples = sum(samples for samples, _ in told)
        self._weight = own / self.samples
        self.size, self.dtype, self.device = self._own.size, self._own.dtype, self._own.device
        self.shapes, self.products = self._own.shapes, 0

    def matvec(self, v: Tensor) -> Tensor:
        """The matrix times `v`, shape (P,), on the device of `v`."""
        own = self._own.matvec(v) if self._weight else torch.zeros_like(v, dtype=self.dtype)
        self.products += 1
        return self._ranks.sum(self._weight * own)

    def __matmul__(self, v: Tensor) -> Tensor:
        return self.matvec(v)

    def unflatten(self, v: Tensor) -> dict[str, Tensor]:
        """`v` (P,) as views of it, name -> tensor of the parameter's shape."""
        return self._own.unflatten(v)


Curvature = LossOperator | ShardedOperator


def sharded(make: Callable[[Data], LossOperator], data: Data, ranks: Ranks | None) -> Curvature:
    """`make(data)`, over all `ranks` where there are several."""
    return make(data) if ranks is None else ShardedOperator(make, data, ranks)


class _EveryNth(Iterable[Any]):
    """A rank's batches, as often as they are asked for."""

    def __init__(self, data: Iterable[Any], ranks: Ranks) -> None:
        self._data, self._first, self._step = data, ranks.rank, ranks.count

    def __iter__(self) -> Iterator[Any]:
        return itertools.islice(iter(self._data), self._first, None, self._step)


def _share(data: Data, ranks: Ranks) -> Data:
    if isinstance(data, tuple | list) and len(data) == 2 and isinstance(data[0], Tensor):
        check_batch(*data)
        rows = ranks.share(len(data[0]))
        return data[0][rows], data[1][rows]
    if isinstance(data, Iterator) or not isinstance(data, Iterable):
        return data  # which the operator refuses
    return _EveryNth([data] if isinstance(data, Mapping) else data, ranks)


def _said(error: Exception | None) -> tuple[bool, str] | None:
    """Whether it is a sentence for the user, and what it says."""
    if error is None:
        return None
    known = isinstance(error, NGFError)
    return known, str(error) if known else f"{type(error).__name__}: {error}"


def _first(data: Data) -> Data:
    """The first sample of all."""
    sample = next(chunks(data, 1), None)
    if sample is None:
        raise ConfigError("inputs", "there are none", "Give at least one sample.")
    return sample
