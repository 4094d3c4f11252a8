"""BatchNorm's statistics during a purification."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ngf_core.purify.batches import CleanBatches

CALIBRATION_BATCHES = 10


def recalibrate_batchnorm(model: nn.Module, batches: CleanBatches) -> None:
    """Set every BatchNorm's running statistics to the mean over some of the tuning batches.

    Done once, before tuning, and then kept: a received model's statistics come from poisoned
    images, and with fixed ones the gradient of a step is that of the loss it is judged by.
    (They are not renewed after every step: a normalisation that follows the tuned layer would then
    undo each step's change of scale, and the weights run away. Tried: even plain SGD diverges.)
    """
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    kept = [m.momentum for m in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches that follow
        norm.train()
    try:
        with torch.no_grad():
            for step in range(CALIBRATION_BATCHES):
                model(batches(step)[0])
    finally:
        for norm, momentum in zip(norms, kept, strict=True):
            norm.momentum = momentum
            norm.eval()


@contextmanager
def batch_statistics(model: nn.Module) -> Iterator[None]:
    """Every BatchNorm normalises by the batch it sees; its running statistics stay as they are.

    For methods that scale channels as part of their definition: BatchNorm then undoes, layer by
    layer, the change of scale that all channels share.
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    kept = [(norm.training, norm.track_running_stats) for norm in norms]
    for norm in norms:
        norm.training, norm.track_running_stats = True, False
    try:
        yield
    finally:
        for norm, (training, tracks) in zip(norms, kept, strict=True):
            norm.training, norm.track_running_stats = training, tracks
