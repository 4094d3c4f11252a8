"""What a model's answers on clean images say about how it was taken in.

A wrong normalisation, BGR for RGB or another order of the classes raises no error: the model only
answers badly. So the defender's clean images (never the test images) are shown to it in the other
ways too, and where one of these is clearly better, it is named.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ngf_core.data.dataset import Images
from ngf_core.errors import NGFError
from ngf_core.evaluate.rates import Rate
from ngf_core.evaluate.test_set import predict
from ngf_core.imports.labels import order_of
from ngf_core.imports.received import NORMALISATIONS, ORDERS, Pixels, Received, normalisation

IMAGES = 500
# A share of the images by which another way must be better to be named: several standard errors of
# a difference at a few hundred images.
CLEARLY = 0.1
PER_CLASS = 5  # images needed per class to tell in which order the classes are


@dataclass(frozen=True)
class Doubts:
    """The accuracy as taken in, and sentences on what seems wrong; none where all is well."""

    accuracy: Rate
    sentences: tuple[str, ...]


def doubts(model: Received, clean: Images, given: str, labels: str = "") -> Doubts:
    """What seems wrong with a model on clean images with labels; `given` is its normalisation,
    `labels` the order of its outputs that was given.

    Tried are each of NORMALISATIONS in each of ORDERS, and for the model as it is each order of the
    outputs: that which fits half of the images best is judged by the other half. Raises NGFError
    where an answer is not finite: such a model classifies nothing.
    """
    clean = clean.take(slice(0, IMAGES))
    p = predict(model, clean.x)
    lost = int((~p.isfinite().all(1)).sum())
    if lost:
        raise NGFError(f"Its answers to {lost} of {len(p)} clean images are not finite numbers, so "
                       "that nothing can be measured on it. Its weights are damaged or beyond "
                       "float32, or the pixels are of another scale (normalisation); import "
                       "another checkpoint or correct that.")
    n, classes = p.shape
    mine = _accuracy(p, clean.y)
    sentences = []
    others = [_other_pixels(model, clean, given)]
    if n >= PER_CLASS * classes:
        order, share = best_order(p, clean.y)
        if labels:
            order = [order_of(labels, classes)[output] for output in order]
        others.append((share, f"its classes in the order {','.join(map(str, order))} (labels)"))
    share, how = max(others)
    if share >= mine.value + CLEARLY:
        sentences.append(f"It gets {mine.percent()} of {n} clean images right as taken in, and "
                         f"{100 * share:.1f} % with {how}.")
    elif mine.value < min(0.5, 3 / classes):
        sentences.append(f"It gets only {mine.percent()} of {n} clean images right, little more "
                         f"than the {100 / classes:.1f} % of chance: the data set, the "
                         "normalisation or the order of the classes may be another.")
    return Doubts(mine, tuple(sentences))


def _other_pixels(model: Received, clean: Images, given: str) -> tuple[float, str]:
    """The best accuracy in another way, and which way it is; of equal ones that which the model is
    surest of."""
    channels, found = clean.shape[0], []
    for name in NORMALISATIONS:
        for order in ORDERS if channels == 3 else ORDERS[:1]:
            mean, deviation = NORMALISATIONS[name]
            if (name, order) == (given, model.pixels.order) or len(mean) not in (1, channels):
                continue
            other = Received(Pixels(*normalisation(name, channels), order, model.pixels.side),
                             model.network).to(next(model.parameters()).device)
            how = f"normalisation {name}" + (f" and order {order}" if channels == 3 else "")
            p = predict(other, clean.x)
            sure = float(p[torch.arange(len(p)), clean.y].clamp_min(1e-12).log().mean())
            found.append((_accuracy(p, clean.y).value, sure, how))
    share, _, how = max(found)
    return share, how


def best_order(p: Tensor, y: Tensor) -> tuple[list[int], float]:
    """For each label the output that stands for it most often, each once, and its accuracy.

    Found on one random half of the images (a linear assignment on their table of outputs by
    labels), judged on the other.
    """
    from scipy.optimize import linear_sum_assignment

    said, classes = p.argmax(1), p.shape[1]
    table = np.zeros((classes, classes))
    mixed = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    finding, judging = mixed.tensor_split(2)
    np.add.at(table, (y[finding].numpy(), said[finding].numpy()), 1)
    _, order = linear_sum_assignment(table, maximize=True)
    right = torch.from_numpy(order)[y[judging]] == said[judging]
    return [int(output) for output in order], float(right.float().mean())


def _accuracy(p: Tensor, y: Tensor) -> Rate:
    return Rate(int((p.argmax(1) == y).sum()), len(y))
