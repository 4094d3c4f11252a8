"""Labelled samples, as two tensors or as batches that need not fit in memory."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from ngf_core.data.examples import pair
from ngf_core.data.floats import as_floats
from ngf_core.errors import ConfigError

Batch = tuple[Tensor, Tensor]
# A batch that is no pair is one that `pair` understands.
Data = Batch | Mapping[str, Any] | Iterable[Any]


def chunks(data: Data, size: int) -> Iterator[Batch]:
    """The samples in their order, at most `size` at a time; no chunk spans two batches.

    Raises ConfigError for data that can be read only once or is not made of pairs of tensors.
    """
    for inputs, targets in _batches(data):
        check_batch(inputs, targets)
        if len(inputs):
            yield from zip(inputs.split(size), targets.split(size), strict=True)


def check_batch(inputs: Any, targets: Any) -> None:
    """Raise ConfigError unless these are tensors with one target for each input."""
    for name, part in (("inputs", inputs), ("targets", targets)):
        if not isinstance(part, Tensor):
            raise ConfigError(name, f"they are a {type(part).__name__}", "Give a tensor.")
    if inputs.dtype not in (torch.uint8, torch.int64) and not inputs.is_floating_point():
        raise ConfigError("inputs", f"their type is {inputs.dtype}",
                          "Give uint8 images, floats or int64 indices.")
    if targets.ndim == 0 or inputs.ndim == 0 or len(targets) != len(inputs):
        raise ConfigError("targets", f"{targets.dtype} of shape {tuple(targets.shape)} do not "
                          f"label inputs of shape {tuple(inputs.shape)}",
                          "Give one target for each input.")


def as_float(inputs: Tensor, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A copy of the inputs as the model takes them: uint8 images as x / 255, int64 as they are."""
    if inputs.dtype == torch.int64:
        return inputs.to(device, copy=True)
    if inputs.dtype == torch.uint8:
        return as_floats(inputs.to(device), dtype)
    return inputs.to(device, dtype, copy=True)


def fingerprint(inputs: Tensor, targets: Tensor) -> str:
    """What identifies a chunk without keeping it."""
    sums = [part.sum(dtype=torch.float64).item() for part in (inputs, targets)]
    return f"{tuple(inputs.shape)} {tuple(targets.shape)} {sums}"


def _batches(data: Data) -> Iterator[Batch]:
    if isinstance(data, tuple | list) and len(data) == 2 and isinstance(data[0], Tensor):
        yield data[0], data[1]
        return
    if isinstance(data, Mapping):
        data = [data]
    if not isinstance(data, Iterable):
        raise ConfigError("data", f"it is a {type(data).__name__}",
                          "Give (inputs, targets), or batches of (inputs, targets).")
    if isinstance(data, Iterator):
        raise ConfigError("data", "it can be read only once, but every product may read it again",
                          "Give a list or a DataLoader of (inputs, targets) batches.")
    for batch in map(pair, data):
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise ConfigError("data", "a batch is neither a pair nor one in which inputs and "
                              "labels are unambiguous", "Give batches of (inputs, targets).")
        yield batch[0], batch[1]
