"""The scale of a model's logits, which moves every sharpness measure and no answer.

Multiplying the logits by a constant leaves all predictions as they are, and multiplies the Hessian
of a confident model by up to the square of it; adaptive measures follow. Two models are compared
fairly only where their logits are equally large.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ngf_core.curvature.operators.loss import Loss

BATCH = 100


def logits(model: nn.Module, x: Tensor) -> Tensor:
    """Each image's logits less their mean, which softmax ignores: (n, classes) float64."""
    with torch.inference_mode():
        z = torch.cat([model(part) for part in x.split(BATCH)]).double()
    return z - z.mean(1, keepdim=True)


def size(z: Tensor) -> float:
    """Mean over the images of the norm of their logits (n, classes)."""
    return z.norm(dim=1).mean().item()


def scaled_cross_entropy(scale: float) -> Loss:
    """The mean cross-entropy of `scale` times the logits: the loss of the model at temperature
    1 / scale."""
    def loss(z: Tensor, y: Tensor) -> Tensor:
        return functional.cross_entropy(scale * z, y)

    return loss


@dataclass(frozen=True)
class Likeness:
    """How nearly two models are one function, up to the scale of their logits.

    scale: s that brings `other` nearest to `one`. difference: ||z_one - s z_other|| / ||z_one||
    over all images, 0 where they give the same answers with the same order of confidence.
    """

    scale: float
    difference: float


def likeness(one: Tensor, other: Tensor) -> Likeness:
    """The likeness of two models by their logits (n, classes), as `logits` returns them; not a
    number where one of them gives all classes the same logit."""
    length = float((other * other).sum())
    scale = float((one * other).sum()) / length if length else math.nan
    norm = float(one.norm())
    return Likeness(scale, float((one - scale * other).norm()) / norm if norm else math.nan)
