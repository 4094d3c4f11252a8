"""Channel Lipschitz pruning (Zheng, Tang, Li and Liu, "Data-free Backdoor Removal Based on Channel
Lipschitzness", ECCV 2022, arXiv 2208.03111).

A backdoor needs channels that a small trigger moves far. An upper bound on how far an input moves
channel k is the largest singular value of its filter, reshaped to (input channels, kernel height x
width), with the gain of BatchNorm:

    sigma_k = || W_k |gamma_k| / sqrt(var_k + eps) ||_2            BatchNorm after the convolution
    sigma_k = || diag(|gamma_c| / sqrt(var_c + eps)) W_k ||_2      only before it, over inputs c
    sigma_k = || W_k ||_2                                          neither

and channels with sigma_k > mean + u * deviation of their layer are cut. No image is used.

The second line is for pre-activation networks, where a block's second convolution and its shortcut
are added up before the next BatchNorm; the activation in between stretches nothing. Published code
pairs a convolution with the BatchNorm registered after it, which in these networks belongs to
another channel, and leaves out eps.

A layer of n channels has no channel more than (n - 1) / sqrt(n) deviations above its mean, so that
u = 3 can cut nothing in layers of fewer than eleven channels.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.purify.batches import CleanBatches, CleanSet
from ngf_core.purify.budget import Budget
from ngf_core.purify.channels import PrunableConvolution, convolutions, gain, silence
from ngf_core.purify.settings.clp import CLP
from ngf_core.purify.step import Step, Stopwatch


def clp(model: nn.Module, clean: CleanSet, own: CLP, budget: Budget) -> Iterator[Step]:
    """Cut the channels of the largest Lipschitz bounds, in one step without data.

    The weights and BatchNorm's statistics alone decide, as received whatever `budget.batchnorm`
    is. Of the clean set only the images' shape is used; the loss reported is that of the first
    clean batch on the received model. `found` lists the channels cut by layer. Raises ConfigError
    for a network with fewer than two convolutions.
    """
    model.eval()
    device = next(model.parameters()).device
    x, y = CleanBatches(clean, budget, device)(0)
    with torch.no_grad():
        loss = F.cross_entropy(model(x), y).item()
    watch = Stopwatch()
    with watch:
        layers = convolutions(model, clean.shape, "CLP")
        outliers = {layer: outlying(lipschitz_bounds(layer), own.u) for layer in layers}
        for layer, channels in outliers.items():
            silence(layer, channels)
    cut = {layer.name: channels.tolist() for layer, channels in outliers.items() if len(channels)}
    yield Step(1, loss, watch.seconds, found={"cut": cut})


def lipschitz_bounds(convolution: PrunableConvolution) -> Tensor:
    """sigma_k of every output channel, (channels,)."""
    layer = convolution.layer
    filters = layer.weight.detach().flatten(2)  # (output channels, input channels, positions)
    if convolution.after is not None:
        filters = filters * gain(convolution.after)[:, None, None]
    elif convolution.before is not None:
        by_group = gain(convolution.before).view(layer.groups, 1, -1)
        inputs = by_group.expand(-1, layer.out_channels // layer.groups, -1).flatten(0, 1)
        filters = filters * inputs[:, :, None]
    norms: Tensor = torch.linalg.matrix_norm(filters, 2)
    return norms


def outlying(values: Tensor, u: float) -> Tensor:
    """Indices of the values above mean + u * (population) deviation."""
    return (values > values.mean() + u * values.std(correction=0)).nonzero().flatten()
