"""The images that losses are measured on, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ngf_core.data.examples import pair
from ngf_core.errors import ConfigError

# A data set that is no pair is one that `pair` understands.
Batches = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Samples:
    """One named data set: inputs (n, ...), as they were given, and targets (n, ...): labels (n,)
    int64 or, for another loss than cross-entropy, whatever it takes."""

    name: str
    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)


def check_batches(batches: Batches, labelled: bool) -> list[Samples]:
    """The data sets of name -> (inputs (n, ...), targets (n, ...)).

    labelled: whether the targets have to be labels, whole numbers (n,).
    Raises ConfigError where none is named, one is empty, or targets do not fit the inputs.
    """
    if not batches:
        raise ConfigError("batches", "no data set is named",
                          'Give at least one, as {"clean": (inputs, labels)}.')
    return [_check(name, batch, labelled) for name, batch in batches.items()]


def check_classes(labels: Tensor, logits: Tensor) -> None:
    """Raise ConfigError where outputs are not logits (n, C), or a label is not a class."""
    if not isinstance(logits, Tensor) or logits.dim() != 2:
        what = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ConfigError("model", f"its outputs are {what}, not one logit per class",
                          "Wrap it in a module that returns logits of shape (n, classes).")
    if int(labels.max()) >= logits.shape[1]:
        raise ConfigError("batches", f"a label is {int(labels.max())}, but the model has "
                          f"{logits.shape[1]} classes", "Give labels of the model's classes.")


def _check(name: str, batch: Any, labelled: bool) -> Samples:
    batch = pair(batch)
    paired = isinstance(batch, tuple | list) and len(batch) == 2
    if not paired or not all(isinstance(part, Tensor) for part in batch):
        raise ConfigError("batches", f"the data set {name!r} is not a pair of tensors",
                          "Give (inputs, targets); join the batches of a DataLoader.")
    inputs, labels = batch
    if len(inputs) == 0:
        raise ConfigError("batches", f"the data set {name!r} is empty",
                          "Give it at least one image.")
    if not labelled:
        if labels.dim() == 0 or len(labels) != len(inputs):
            raise ConfigError("batches", f"the data set {name!r} has {len(inputs)} inputs and "
                              f"targets of shape {tuple(labels.shape)}",
                              "Give one target for each input.")
        return Samples(name, inputs.detach(), labels.detach())
    if labels.dim() != 1 or labels.is_floating_point() or len(labels) != len(inputs):
        raise ConfigError("batches", f"the data set {name!r} has {len(inputs)} inputs and labels "
                          f"of shape {tuple(labels.shape)} and type {labels.dtype}",
                          "Give one whole-number label for each input.")
    # cross_entropy silently leaves out the label -100.
    if int(labels.min()) < 0:
        raise ConfigError("batches", f"the data set {name!r} has the label {int(labels.min())}",
                          "Labels count from 0.")
    return Samples(name, inputs.detach(), labels.detach().to(torch.int64))
