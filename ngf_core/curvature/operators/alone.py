"""Whether a model answers for each sample alone, whatever else is in the batch.

A mean over samples is not defined otherwise: it depends on how they are put into batches.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ngf_core.errors import ConfigError


def check_statistics(model: nn.Module) -> None:
    """ConfigError where a BatchNorm keeps no running statistics, and so takes those of the batch in
    evaluation mode too."""
    if any(isinstance(m, _BatchNorm) and m.running_mean is None for m in model.modules()):
        raise _depends()


def check_alone(answer: Callable[[slice], Tensor], outputs: Tensor) -> None:
    """ConfigError unless the first and the last sample alone have the same outputs as together.

    outputs: (n, ...), those of n samples in one batch. answer(some): those of some of the samples.
    """
    again = torch.cat([answer(slice(1)), answer(slice(len(outputs) - 1, len(outputs)))])
    if (outputs[[0, -1]] - again).abs().max() > 1e-3 * outputs.abs().max():
        raise _depends()


def _depends() -> ConfigError:
    return ConfigError("model", "its outputs change from call to call, or with the samples that "
                       "share a batch",
                       "Leave out randomness, and let BatchNorm keep running statistics.")
