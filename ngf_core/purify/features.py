"""The last layer's inputs, computed once: tuning it needs no pass through the rest of the network.

The last layer sees h(x), and nothing in front of it changes while it is tuned: BatchNorm is fixed
and the other weights are not trained. Without augmentation the images do not change either, so a
step on h costs what that one layer costs, and gives the numbers of a step on x.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ngf_core.fisher.per_sample import tap
from ngf_core.fisher.rows import is_last_layer
from ngf_core.purify.purifier import CleanBatches

Batches = Callable[[int], tuple[Tensor, Tensor]]


def tuned_network(model: nn.Module, layer: nn.Module, batches: CleanBatches
                  ) -> tuple[nn.Module, Batches]:
    """What a step runs and on what: the layer on its kept inputs where these are fixed and it is
    the model's last, otherwise the model on images. Call it once BatchNorm is as it will stay."""
    if batches.config.augment != "none":
        return model, batches
    kept = []
    for x, _ in batches.whole():
        tapped = tap(model, layer, x)
        if not is_last_layer(tapped):
            return model, batches
        kept.append(tapped.input)
    features = torch.cat(kept)
    labels = batches.clean.y.to(features.device)

    def drawn(step: int) -> tuple[Tensor, Tensor]:
        chosen, _ = batches.drawn(step)
        chosen = chosen.to(features.device)
        return features[chosen], labels[chosen]

    return layer, drawn
