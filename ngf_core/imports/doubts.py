"""What a model's answers on clean images say about how it was taken in.

A wrong normalisation, BGR for RGB or another order of the classes raises no error: the model only
answers badly. So the defender's clean images (never the test images) are shown to it in the other
ways too, and where one of these is clearly better, it is named; where the images are too few to
tell, that is said instead.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ngf_core.data.dataset import Images
from ngf_core.errors import NGFError
from ngf_core.evaluate.rates import Rate, wilson
from ngf_core.evaluate.test_set import predict
from ngf_core.imports.labels import order_of
from ngf_core.imports.received import NORMALISATIONS, ORDERS, Pixels, Received, normalisation

IMAGES = 500
# Another way is named where it gets more of the images right by this share, and by as many standard
# errors of the difference: three, since the best of a dozen ways is looked at.
CLEARLY, ERRORS = 0.1, 3.0
PER_CLASS = 5  # images needed per class to tell in which order the classes are
# Below this share, and below three times that of chance, a model is taken to know nothing.
NOTHING = 0.05
PIXELS, CLASSES = "its normalisation", "the order of its classes"


@dataclass(frozen=True)
class Doubts:
    """The accuracy as taken in, and sentences on what seems wrong; none where all is well.

    untold: sentences on what the images are too few to tell.
    """

    accuracy: Rate
    sentences: tuple[str, ...]
    untold: tuple[str, ...] = ()


@dataclass(frozen=True)
class Way:
    """The same n images, got right as the model was taken in and in another way: two bool (n,).

    about: what the way would correct. how: which way it is.
    """

    about: str
    how: str
    mine: Tensor
    other: Tensor

    @property
    def gain(self) -> float:
        """The share of images by which the other way is better."""
        return float((self.other.double() - self.mine.double()).mean())

    @property
    def error(self) -> float:
        """The standard error of `gain` where neither way is better: sqrt(d) / n, with d images that
        only one of the two gets right (McNemar 1947, Psychometrika 12:153-157)."""
        return math.sqrt(int((self.other != self.mine).sum())) / len(self.mine)

    @property
    def better(self) -> bool:
        """Whether it is so much better that it is no accident."""
        return self.gain >= CLEARLY and self.gain >= ERRORS * self.error

    def untold(self) -> str | None:
        """A sentence where the images are too few to tell whether it is better, else None.

        They are where it looks better and may be so by accident, and where no way could have
        been better by ERRORS standard errors, since fewer than ERRORS^2 images are got wrong,
        though these few images do not show a good model either.
        """
        mine, other, n = _rate(self.mine), _rate(self.other), len(self.mine)
        start = f"Too few images to tell whether {self.about} is right: "
        if self.gain >= CLEARLY and not self.better:
            return (f"{start}it gets {mine.percent()} of {n} right as taken in, and "
                    f"{other.percent()} with {self.how}, which may be an accident.")
        if n - mine.hits < ERRORS**2 and _may_be_better(mine):
            return f"{start}it gets {mine.percent()} of {n} right as taken in."
        return None


def doubts(model: Received, clean: Images, given: str, labels: str = "") -> Doubts:
    """What seems wrong with a model on clean images with labels; `given` is its normalisation,
    `labels` the order of its outputs that was given.

    Tried are each of NORMALISATIONS in each of ORDERS, and for the model as it is each order of the
    outputs: that which fits half of the images best is judged by the other half. Raises NGFError
    where an answer is not finite: such a model classifies nothing.
    """
    clean = clean.take(slice(0, IMAGES))
    p = predict(model, clean.x)
    check_answers(p, "clean images")
    n, classes = p.shape
    right = _right(p, clean.y)
    mine = _rate(right)
    ways = [_other_pixels(model, clean, given, right)]
    untold = []
    if n >= PER_CLASS * classes:
        ways.append(_other_order(p, clean.y, right, labels))
    elif _may_be_better(mine):
        untold.append(f"Too few images to tell whether {CLASSES} is right: {PER_CLASS} per class "
                      f"are needed, {PER_CLASS * classes:,}, and {n} are looked at.")
    untold += [sentence for way in ways if (sentence := way.untold())]
    best = max(ways, key=lambda way: (way.better, _rate(way.other).value))
    low = min(0.5, max(3 / classes, NOTHING))
    if best.better:
        return Doubts(mine, (f"It gets {_rate(best.mine).percent()} of {len(best.mine)} clean "
                             f"images right as taken in, and {_rate(best.other).percent()} with "
                             f"{best.how}.",))
    if wilson(mine.hits, n, ERRORS)[1] < low:
        return Doubts(mine, (f"It gets only {mine.percent()} of {n} clean images right, hardly "
                             f"better than chance ({100 / classes:.1f} %): the data set, the "
                             "normalisation or the order of the classes may be another.",))
    if mine.value < low:
        untold.append(f"Too few images to tell whether it does better than chance: it gets "
                      f"{mine.percent()} of {n} right, and chance {100 / classes:.1f} %.")
    return Doubts(mine, (), tuple(untold))


def check_answers(p: Tensor, images: str) -> None:
    """Raise NGFError where an answer of p (n, classes) is not finite; `images` says to what."""
    lost = int((~p.isfinite().all(1)).sum())
    if lost:
        raise NGFError(f"Its answers to {lost} of {len(p)} {images} are not finite numbers, so "
                       "that nothing can be measured on it. Its weights are damaged or beyond "
                       "float32, or the pixels are of another scale (normalisation); import "
                       "another checkpoint or correct that.")


def _other_pixels(model: Received, clean: Images, given: str, mine: Tensor) -> Way:
    """The way with other pixels that gets most images right; of equal ones that which the model is
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
            true = p[torch.arange(len(p)), clean.y].nan_to_num()
            right = _right(p, clean.y)
            found.append((_rate(right).value, float(true.clamp_min(1e-12).log().mean()),
                          Way(PIXELS, how, mine, right)))
    return max(found, key=lambda one: one[:2])[2]


def _other_order(p: Tensor, y: Tensor, mine: Tensor, labels: str) -> Way:
    """The model as it is with its outputs in the order that fits best, on the images that did not
    choose it; named for the network's own outputs, which `labels` ordered."""
    order, judging = best_order(p, y)
    right = torch.tensor(order)[y[judging]] == p[judging].argmax(1)
    if labels:
        given = order_of(labels, p.shape[1])
        order = [given[output] for output in order]
    how = f"its classes in the order {','.join(map(str, order))} (labels)"
    return Way(CLASSES, how, mine[judging], right)


def best_order(p: Tensor, y: Tensor) -> tuple[list[int], Tensor]:
    """For each label the output that stands for it most often, each once, and the images that may
    judge it, by number.

    Found on one random half of the images (a linear assignment on their table of outputs by
    labels); the other half judges.
    """
    from scipy.optimize import linear_sum_assignment

    said, classes = p.argmax(1), p.shape[1]
    table = np.zeros((classes, classes))
    mixed = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    finding, judging = mixed.tensor_split(2)
    np.add.at(table, (y[finding].numpy(), said[finding].numpy()), 1)
    _, order = linear_sum_assignment(table, maximize=True)
    return [int(output) for output in order], judging


def _may_be_better(mine: Rate) -> bool:
    """Whether the accuracy's 95 % interval leaves another way room to be clearly better."""
    return mine.interval[0] <= 1 - CLEARLY


def _right(p: Tensor, y: Tensor) -> Tensor:
    """Which images are given their label; an answer that is not finite gives none."""
    return (p.argmax(1) == y) & p.isfinite().all(1)


def _rate(right: Tensor) -> Rate:
    return Rate(int(right.sum()), len(right))
