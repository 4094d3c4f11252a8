"""BatchNorm in training mode for a while, without a trace in its running statistics."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def batch_statistics(model: nn.Module) -> Iterator[None]:
    """Every BatchNorm normalises by the batch it sees; its running statistics stay as they are.

    For methods that scale channels as part of their definition: BatchNorm then takes back, layer
    by layer, the change of scale that all channels share.
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
