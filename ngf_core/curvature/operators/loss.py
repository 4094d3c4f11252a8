"""What the operators require of a loss: (outputs, targets) -> the mean over the samples."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from ngf_core.errors import ConfigError

Loss = Callable[[Tensor, Tensor], Tensor]

# Samples whose losses are compared, where targets are not labels.
KEPT = 64

UNWEIGHTED = ("Give a plain mean over the samples: divide by their number, not by the sum of their "
              "weights, as (weight[y] * cross_entropy(z, y, reduction='none')).mean() does, with "
              "weights whose mean over all samples is 1.")


def is_cross_entropy(loss: Loss) -> bool:
    return loss is functional.cross_entropy or isinstance(loss, nn.CrossEntropyLoss)


def is_squared_error(loss: Loss) -> bool:
    return loss is functional.mse_loss or isinstance(loss, nn.MSELoss)


def private_loss(loss: Loss, dtype: torch.dtype, device: torch.device) -> Loss:
    """The loss itself, or where it is a module a copy in the operator's dtype."""
    return copy.deepcopy(loss).to(device, dtype) if isinstance(loss, nn.Module) else loss


def check_targets(loss: Loss, outputs: Tensor, targets: Tensor) -> None:
    """ConfigError for targets that cross-entropy would misread or silently leave out."""
    if not is_cross_entropy(loss):
        return
    if outputs.ndim < 2:
        raise ConfigError("model", f"its outputs have shape {tuple(outputs.shape)}",
                          "Cross-entropy needs one logit per class, shape (n, classes).")
    if targets.is_floating_point() and targets.shape == outputs.shape:
        return
    labels = outputs[:, 0].shape
    if targets.is_floating_point() or targets.shape != labels:
        raise ConfigError("targets", f"{targets.dtype} of shape {tuple(targets.shape)} do not "
                          f"label outputs of shape {tuple(outputs.shape)}",
                          f"Give whole numbers of shape {tuple(labels)}.")
    if targets.min() < 0 or targets.max() >= outputs.shape[1]:
        raise ConfigError("targets", f"labels run from {targets.min()} to {targets.max()}",
                          f"This network has the labels 0 to {outputs.shape[1] - 1}.")
    ignored = getattr(loss, "ignore_index", -1)
    if (targets == ignored).any():
        raise ConfigError("targets", f"the loss leaves out the label {ignored}",
                          "Leave those samples out of the data.")


class TargetsSeen:
    """Targets that show whether a loss weights the samples, collected over batches.

    Where samples lie label by label, a mean weighted by class is the plain mean within each batch,
    so that no batch by itself shows the weights.

    Kept are, of labels (n,) of whole numbers, one of each, and of other targets the first of each
    batch, KEPT at most and all of one shape.
    """

    def __init__(self) -> None:
        self._kept: dict[int, Tensor] = {}

    def see(self, targets: Tensor) -> None:
        """Keep what the targets (n, ...) of a batch add, n at least 1."""
        if targets.ndim == 1 and not targets.is_floating_point():
            self._kept |= {label: targets.new_tensor(label) for label in targets.unique().tolist()}
        elif len(self._kept) < KEPT and (not self._kept or self._kept[0].shape == targets[0].shape):
            self._kept[len(self._kept)] = targets[0]

    @property
    def kept(self) -> Tensor:
        """Those kept, in the order of the labels or of the batches, shape (m, ...)."""
        return torch.stack([target for _, target in sorted(self._kept.items())])


def check_mean(loss: Loss, outputs: Tensor, targets: Tensor) -> None:
    """ConfigError unless the loss of some samples is the mean of the losses of each alone.

    A sum, or a mean weighted by class, would change with the way samples are put into batches.
    outputs: (n, ...). targets: (m, ...), which need not be those of the outputs: outputs are taken
    in turn for them, and then with a shift by one, since where a network fits its samples all their
    losses are alike.
    """
    weight = getattr(loss, "weight", None) if is_cross_entropy(loss) else None
    if weight is not None and (weight != weight[0]).any():
        raise ConfigError("loss", "it weights the classes", UNWEIGHTED)
    turns = torch.arange(len(targets), device=outputs.device) % len(outputs)
    with torch.no_grad():
        for z in (outputs[turns], outputs.roll(1, 0)[turns]):
            check_targets(loss, z, targets)
            whole = loss(z, targets)
            if not isinstance(whole, Tensor) or whole.ndim != 0:
                raise ConfigError("loss", "it does not return one number",
                                  "Give a loss that returns the mean over the samples.")
            alone = torch.stack([loss(z[i:i + 1], targets[i:i + 1]) for i in range(len(z))]).mean()
            if not torch.allclose(whole, alone, rtol=1e-3, atol=1e-6, equal_nan=True):
                raise ConfigError("loss", f"on {len(z)} samples it is {whole:.4g}, but the mean of "
                                  f"the losses of each alone is {alone:.4g}", UNWEIGHTED)
