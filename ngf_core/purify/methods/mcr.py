"""Mode Connectivity Repair (Zhao, Chen, Das, Ramamurthy and Lin, "Bridging Mode Connectivity in
Loss Landscapes and Adversarial Robustness", ICLR 2020, arXiv 2005.00060).

Between the received weights w_0 and those of a copy fine-tuned on clean data, w_1, a quadratic
Bezier curve is bent so that the clean loss is low all along it; only its middle point b is trained:

    w(t) = (1 - t)^2 w_0 + 2 t (1 - t) b + t^2 w_1,     min over b of E_t L(w(t)),  t ~ U(0, 1)

Both ends may carry the backdoor; the points between, which clean data alone have shaped, need not.

The point taken is, of t = 0.1, ..., 0.9, the one nearest to the middle whose accuracy on the clean
set is at most `tolerance` below that of the fine-tuned end, else the most accurate. Published
(BackdoorBench): t = 0.1; both phases 100 epochs, with SGD of rate 0.01 and 3e-5. Here each phase
takes half of the budget, and b, which starts midway between the ends, gets a larger rate for few
updates. BatchNorm keeps the received model's statistics, or the recalibrated ones, along the curve;
where the budget recalibrates, those of a point are estimated again before it is judged, since the
curve's are not those of its weights.
"""

import copy
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from ngf_core.errors import ConfigError
from ngf_core.purify.batches import CleanBatches, CleanSet
from ngf_core.purify.batchnorm import recalibrate_batchnorm
from ngf_core.purify.budget import Budget
from ngf_core.purify.descent import prepare, tune
from ngf_core.purify.pruning import clean_accuracy
from ngf_core.purify.settings.mcr import MCR
from ngf_core.purify.step import Step, Stopwatch, is_last, part_of
from ngf_core.purify.weights import assign, flat, only_trainable

POINTS = (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.1, 0.9)


@dataclass(frozen=True)
class Curve:
    """A quadratic Bezier curve from `start` to `end` (P,), bent towards `bend` (P,)."""

    start: Tensor
    bend: Tensor
    end: Tensor

    def at(self, t: float) -> Tensor:
        """The weights at t, from 0 at the start to 1 at the end."""
        return (1 - t) ** 2 * self.start + 2 * t * (1 - t) * self.bend + t**2 * self.end


def mcr(model: nn.Module, clean: CleanSet, own: MCR, budget: Budget) -> Iterator[Step]:
    """Fine-tune a copy, bend the curve, take a point on it; the model is as received until then.

    The loss reported is the copy's, then that of a random point on the curve. `found` holds the t
    taken and the clean accuracy of each point evaluated. Raises ConfigError where the budget is a
    single pass, Diverged where a loss is no longer finite.
    """
    if budget.steps < 2:
        raise ConfigError("steps", "1 pass does not suffice to fine-tune and to bend the curve",
                          "Use at least 2.")
    weights = list(model.parameters())
    batches = CleanBatches(clean, budget, weights[0].device)
    watch = Stopwatch()
    prepare(model, [], batches, watch)
    with watch:
        tuned = copy.deepcopy(model)
        only_trainable(tuned, list(tuned.parameters()))

    def descend(x: Tensor, y: Tensor) -> Tensor:
        loss = F.cross_entropy(tuned(x), y)
        loss.backward()
        return loss.detach()

    half = CleanBatches(clean, part_of(budget, 1 / 2, budget.steps // 2), batches.device)
    spent = 0
    for step in tune("MCR's fine-tuning", list(tuned.parameters()), descend, half, lambda k: k,
                     watch, lr=own.lr):
        spent = step.step
        if is_last(step, budget):  # no time for a curve: the model is its start
            step = dataclasses.replace(step, found={"t": 0.0, "accuracy": {}})
        yield step

    start, end = flat(weights), flat(list(tuned.parameters()))
    bend = nn.Parameter((start + end) / 2)
    curve = Curve(start, bend, end)
    generator = torch.Generator().manual_seed(budget.seed)

    def straighten(x: Tensor, y: Tensor) -> Tensor:
        point = curve.at(torch.rand((), generator=generator).item())
        loss = F.cross_entropy(functional_call(model, named(model, point), (x,)), y)
        loss.backward()
        return loss.detach()

    for step in tune("MCR's curve", [bend], straighten, batches, lambda k: spent + k, watch,
                     lr=own.curve_lr, first=spent):
        if is_last(step, budget):
            with watch:
                t, seen = choose(model, tuned, curve, batches, own.tolerance)
                settle(model, curve.at(t), batches)
            step = dataclasses.replace(step, seconds=watch.seconds,
                                       found={"t": t, "accuracy": seen})
        yield step


def named(model: nn.Module, point: Tensor) -> dict[str, Tensor]:
    """The parts of a vector made by `flat` under the names of the model's parameters."""
    parameters = dict(model.named_parameters())
    parts = point.split([p.numel() for p in parameters.values()])
    return {name: part.view(p.shape)
            for (name, p), part in zip(parameters.items(), parts, strict=True)}


def settle(model: nn.Module, point: Tensor, batches: CleanBatches) -> None:
    """Give the model the weights `point`, and BatchNorm their statistics where the budget
    recalibrates."""
    assign(list(model.parameters()), point.detach())
    if batches.budget.batchnorm == "recalibrated":
        recalibrate_batchnorm(model, batches)


def choose(model: nn.Module, tuned: nn.Module, curve: Curve, batches: CleanBatches,
           tolerance: float) -> tuple[float, dict[str, float]]:
    """The t to take, by the rule above, and the accuracy of each point evaluated, by its t.

    Points are evaluated from the middle outwards until one is accepted; the model is left at the
    last.
    """
    floor = clean_accuracy(tuned, batches) - tolerance
    seen: dict[float, float] = {}
    for t in POINTS:
        settle(model, curve.at(t), batches)
        seen[t] = clean_accuracy(model, batches)
        if seen[t] >= floor:
            break
    else:
        t = max(seen, key=seen.__getitem__)
    return t, {str(t): round(accuracy, 4) for t, accuracy in seen.items()}
