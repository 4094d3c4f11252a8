"""Labelled inputs of any kind: read once from whatever yields batches, then taken by index."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ngf_core.errors import ConfigError

# A batch that is no pair is one that `pair` understands, or the `batch` of `gathered` does.
Batches = tuple[Tensor, Tensor] | Mapping[str, Any] | Iterable[Any]
FIX = ("Give batches of (inputs, labels), as a DataLoader does, or one such pair; or say what they "
       "are of a batch, such as batch=lambda batch: (batch[0], batch[1]).")
LABELS = ("label", "labels")


@dataclass(frozen=True)
class Examples:
    """n inputs x (n, ...), floats as a model takes them or uint8, with labels y, int64 (n,)."""

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.y)

    @property
    def shape(self) -> tuple[int, ...]:
        """That of one input."""
        return tuple(self.x.shape[1:])

    def take(self, indices: Tensor | slice) -> "Examples":
        """The inputs at `indices`, in that order."""
        return Examples(self.x[indices], self.y[indices])


def gathered(batches: Batches, device: torch.device,
             batch: Callable[[Any], Any] | None = None) -> Examples:
    """All examples of `batches`, read once and copied to `device`.

    A batch is a pair of inputs, floats or uint8 of any shape, and labels, whole numbers (n,), or
    what `batch` makes such a pair of, by default `pair`.
    Raises ConfigError for anything else, and for numbers that are not finite.
    """
    inputs: list[Tensor] = []
    labels: list[Tensor] = []
    for x, y in _pairs(batches, batch or pair):
        _check(x, y)
        if inputs and (x.shape[1:], x.dtype) != (inputs[0].shape[1:], inputs[0].dtype):
            raise ConfigError("clean_data", f"an input is {_kind(inputs[0])} and another "
                              f"{_kind(x)}", "Convert all to one shape and type.")
        inputs.append(x.detach().to(device))
        labels.append(y.detach().to(device, torch.int64))
    if not sum(map(len, labels)):
        raise ConfigError("clean_data", "it holds no example", "Give at least one batch; a "
                          "generator that has been read before is empty.")
    examples = Examples(torch.cat(inputs), torch.cat(labels))
    if not torch.isfinite(examples.x).all():
        raise ConfigError("clean_data", "an input has a number that is not finite",
                          "Leave such inputs out.")
    return examples


def shuffled(examples: Examples, seed: int) -> Examples:
    """The same in an order drawn with `seed`, so that a part of them is a sample of the whole
    even where the data are sorted by class."""
    generator = torch.Generator().manual_seed(seed)
    return examples.take(torch.randperm(len(examples), generator=generator))


def pair(batch: Any) -> Any:
    """(inputs, labels) of a mapping or a longer tuple in which they are unambiguous, and all else
    as it is: the only tensor of floats or uint8 with two axes or more, and the only one of whole
    numbers (n,) or, among several, that called "label" or "labels"."""
    if not isinstance(batch, Mapping) and not (isinstance(batch, tuple | list) and len(batch) > 2):
        return batch
    parts = dict(batch) if isinstance(batch, Mapping) else dict(enumerate(batch))
    tensors = {name: part for name, part in parts.items() if isinstance(part, Tensor)}
    inputs = [t for t in tensors.values()
              if t.ndim > 1 and (t.is_floating_point() or t.dtype == torch.uint8)]
    labels = {name: t for name, t in tensors.items()
              if t.ndim == 1 and not t.is_floating_point() and t.dtype != torch.bool}
    if len(labels) > 1:
        labels = {name: t for name, t in labels.items() if name in LABELS}
    return (inputs[0], *labels.values()) if len(inputs) == len(labels) == 1 else batch


def _pairs(batches: Batches, adapt: Callable[[Any], Any]) -> Iterator[tuple[Tensor, Tensor]]:
    if isinstance(batches, Mapping) or isinstance(batches, tuple | list) and len(batches) == 2 \
            and isinstance(batches[0], Tensor) and isinstance(batches[1], Tensor):
        batches = [batches]
    try:
        each = iter(batches)
    except TypeError:
        raise ConfigError("clean_data", f"a {type(batches).__name__} yields no batches",
                          FIX) from None
    for given in each:
        try:
            batch = adapt(given)
        except Exception as error:  # whatever a caller's function raises
            raise ConfigError("batch", f"it fails on {_described(given)} ({error!r})",
                              "Let it return (inputs, labels) of a batch.") from error
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise ConfigError("clean_data", f"a batch is {_described(batch)}, not a pair", FIX)
        try:
            yield torch.as_tensor(batch[0]), torch.as_tensor(batch[1])
        except (TypeError, ValueError, RuntimeError):
            what = " and ".join(_described(part) for part in batch)
            raise ConfigError("clean_data", f"a batch is {what}, not two tensors", FIX) from None


def _described(thing: Any) -> str:
    if isinstance(thing, tuple | list):
        return f"a {type(thing).__name__} of {len(thing)}"
    if isinstance(thing, Mapping):
        return f"a {type(thing).__name__} of {', '.join(map(str, thing))}"
    return f"a {type(thing).__name__}"


def _kind(x: Tensor) -> str:
    return f"{x.dtype} of shape {tuple(x.shape[1:])}"


def _check(x: Tensor, y: Tensor) -> None:
    if not x.is_floating_point() and x.dtype != torch.uint8:
        raise ConfigError("clean_data", f"inputs are of {x.dtype}",
                          "Give floats as the model takes them, or uint8 images.")
    if y.is_floating_point() or y.is_complex() or y.dtype == torch.bool or y.ndim > 1:
        raise ConfigError("clean_data", f"labels are of {y.dtype} and shape {tuple(y.shape)}",
                          "Give the number of each input's class, counted from 0.")
    if y.ndim == 0 or x.ndim == 0 or len(x) != len(y):
        raise ConfigError("clean_data", f"a batch has inputs of shape {tuple(x.shape)} and labels "
                          f"of shape {tuple(y.shape)}",
                          "Give one label per input; put single examples through a DataLoader.")
    if len(y) and y.min() < 0:
        raise ConfigError("clean_data", f"a label is {int(y.min())}", "Count classes from 0.")
