"""What the operators require of a loss: (outputs, targets) -> the mean over the samples."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from ngf_core.errors import ConfigError

Loss = Callable[[Tensor, Tensor], Tensor]


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


def check_mean(loss: Loss, outputs: Tensor, targets: Tensor) -> None:
    """ConfigError unless the loss of some samples is the mean over parts, weighted by their sizes.

    A sum, or a mean weighted by class, would change with the way samples are put into batches.
    """
    # The few samples at hand may all be of one class.
    weight = getattr(loss, "weight", None) if is_cross_entropy(loss) else None
    if weight is not None and (weight != weight[0]).any():
        raise ConfigError("loss", "it weights the classes", "Give a loss without class weights.")
    with torch.no_grad():
        whole = loss(outputs, targets)
        if not isinstance(whole, Tensor) or whole.ndim != 0:
            raise ConfigError("loss", "it does not return one number",
                              "Give a loss that returns the mean over the samples.")
        if len(outputs) == 1:
            return
        first = max(1, len(outputs) // 3)
        parts = (loss(outputs[:first], targets[:first]) * first
                 + loss(outputs[first:], targets[first:]) * (len(outputs) - first)) / len(outputs)
    if not torch.allclose(whole, parts, rtol=1e-3, atol=1e-6, equal_nan=True):
        raise ConfigError("loss", f"on {len(outputs)} samples it is {whole:.4g}, but the mean over "
                          f"its parts is {parts:.4g}",
                          'Give a plain mean over the samples, such as reduction="mean" without '
                          "class weights.")
