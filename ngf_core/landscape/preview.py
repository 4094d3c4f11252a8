"""An interpolated surface: some points computed, the rest predicted, and the error of that.

The loss is computed on a coarse grid and interpolated; then, round by round, where the
interpolation is expected to be worst. Every new point is first predicted and then computed, so it
is held out of the fit it tests. Rounds continue until the held-out errors are within the bound.

Interpolated is log(loss + FLOOR), by cubic radial basis functions with a linear trend
(s(p) = sum_i c_i |p - p_i|^3 + a + b . p, as scipy's RBFInterpolator(kernel="cubic")). Chosen by
measurement: on 51 x 51 surfaces of the mini network a tensor spline of the same number of points
had errors two to three times as large, since it cannot be refined where a valley is narrow.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from ngf_core.errors import ConfigError, NGFError
from ngf_core.landscape.surface import check_axis

# Nats. Errors are relative to the loss, or to this where the loss is smaller: two per cent of a
# loss of 0.001 is not visible in a picture, and would take most of the points.
FLOOR = 0.1
BOUND = 0.02
# The first grid has a node every so many of the fine one; fewer than LEAST per side miss a valley.
COARSE, LEAST = 7, 4
# Points per round, and how many rounds in a row have to be within the bound.
ROUND, CHECKS = 12, 2
# At most this share of the fine grid is computed.
SHARE = 0.25

Evaluate = Callable[[list[tuple[float, float]]], Tensor]


@dataclass(frozen=True, eq=False)
class Preview:
    """A surface of which only some points were computed.

    losses: (len(ys), len(xs)) float64; computed points as computed, the others interpolated; NaN
    where the nearest computed loss is not finite. computed: the same shape, bool.
    held_out: (k,) float64, |predicted - computed| / max(computed, FLOOR) of the latest rounds'
    points, each predicted from the points of earlier rounds only and chosen where the error was
    expected to be largest; inf where a loss turned out finite that was predicted not to be, or the
    other way round. Empty before the first check.
    """

    losses: Tensor
    computed: Tensor
    held_out: Tensor
    bound: float

    @property
    def points(self) -> int:
        """How many points were computed."""
        return int(self.computed.sum())

    @property
    def complete(self) -> bool:
        """True where nothing is interpolated."""
        return bool(self.computed.all())

    @property
    def median(self) -> float:
        """The median held-out error; nan before the first check, 0 where all is computed."""
        return self._of_errors(torch.median)

    @property
    def largest(self) -> float:
        """The largest held-out error; nan before the first check, 0 where all is computed."""
        return self._of_errors(torch.max)

    @property
    def reached(self) -> bool:
        """Whether CHECKS rounds in a row were within the bound, or nothing is left to predict."""
        return self.complete or (len(self.held_out) >= CHECKS * ROUND
                                 and self.largest <= self.bound)

    def _of_errors(self, measure: Callable[[Tensor], Tensor]) -> float:
        if self.complete:
            return 0.0
        return float(measure(self.held_out)) if len(self.held_out) else math.nan


def preview(evaluate: Evaluate, xs: Sequence[float] | Tensor, ys: Sequence[float] | Tensor, *,
            bound: float = BOUND, most: int | None = None) -> Preview:
    """The surface over the grid xs, ys, interpolated to a held-out error of at most `bound`.

    evaluate: points (n, 2) -> their losses (n,), as `lambda p: evaluator.losses(p)["clean"]`. most:
    points that may be computed, a quarter of the grid where not given; if they do not suffice,
    `reached` is False. The bound holds for the points that were tested, not for each one: where it
    was reached, at a bound of 2 %, fewer than 1 in 100 points of a 51 x 51 grid were off by more
    and none by more than 6.1 % (three surfaces of the mini network on 64 images, with 196, 268 and
    484 points, and 60 closed forms).
    Raises ConfigError for a bad bound, grid or number of points.
    """
    *_, last = preview_rounds(evaluate, xs, ys, bound=bound, most=most)
    return last


def preview_rounds(evaluate: Evaluate, xs: Sequence[float] | Tensor,
                   ys: Sequence[float] | Tensor, *, bound: float = BOUND,
                   most: int | None = None) -> Iterator[Preview]:
    """`preview` round by round, for a worker that streams its results or stops in between.

    Which points are requested depends on the losses alone: if `evaluate` returns the stored losses
    of an earlier call, the rounds resume where that call ended without computing anything again.
    """
    grid = _Grid(xs, ys)
    most = max(grid.start.sum(), round(SHARE * len(grid.nodes))) if most is None else most
    if not 0 < bound < math.inf:
        raise ConfigError("bound", f"{bound!r} is not a positive number", "Use for instance 0.02.")
    if most < grid.start.sum():
        raise ConfigError("most", f"{most} points are fewer than the {grid.start.sum()} of the "
                          "first grid", "Allow more points or take a coarser grid.")
    return _rounds(evaluate, grid, bound, int(most))


def _rounds(evaluate: Evaluate, grid: "_Grid", bound: float, most: int) -> Iterator[Preview]:
    fit = _Fit(grid)
    chosen = np.flatnonzero(grid.start)
    errors: list[np.ndarray] = []
    while True:
        found = np.array(evaluate([grid.point(k) for k in chosen.tolist()]).tolist(), np.float64)
        if found.shape != chosen.shape:
            raise NGFError(f"{len(chosen)} losses were requested, and {found.size} returned. Give "
                           "one loss per point.")
        if len(fit.predicted):
            errors.append(_error(fit.predicted[chosen], found))
        fit.add(chosen, found)
        held_out = np.concatenate(errors[-CHECKS:]) if errors else np.zeros(0)
        here = Preview(torch.from_numpy(fit.losses().reshape(grid.shape)),
                       torch.from_numpy(fit.computed.reshape(grid.shape).copy()),
                       torch.from_numpy(held_out), bound)
        yield here
        left = min(ROUND, most - here.points, int((~fit.computed).sum()))
        if here.reached or left <= 0:
            return
        chosen = fit.worst(left)


class _Grid:
    """The fine grid: its nodes in the unit square, and those of the first round."""

    def __init__(self, xs: Sequence[float] | Tensor, ys: Sequence[float] | Tensor) -> None:
        self.xs, self.ys = check_axis("xs", xs), check_axis("ys", ys)
        for field, axis in (("xs", self.xs), ("ys", self.ys)):
            if len(axis) < 3:
                raise ConfigError(field, f"there are {len(axis)} points", "Give at least three.")
        self.shape = (len(self.ys), len(self.xs))
        y, x = np.meshgrid(*(np.linspace(0, 1, n) for n in self.shape), indexing="ij")
        self.nodes = np.column_stack([x.ravel(), y.ravel()])
        start = np.zeros(self.shape, bool)
        start[np.ix_(*(_coarse(n) for n in self.shape))] = True
        self.start = start.ravel()

    def point(self, node: int) -> tuple[float, float]:
        row, column = divmod(node, self.shape[1])
        return self.xs[column], self.ys[row]


class _Fit:
    """What was computed so far, and what it predicts at every node."""

    def __init__(self, grid: _Grid) -> None:
        self._grid, self._nodes = grid, np.zeros(0, int)
        self._found, self._apart = np.zeros(0), np.zeros((len(grid.nodes), 0))
        self.predicted = np.zeros(0)  # before the first losses there is nothing to predict from

    @property
    def computed(self) -> np.ndarray:
        mask = np.zeros(len(self._grid.nodes), bool)
        mask[self._nodes] = True
        return mask

    def losses(self) -> np.ndarray:
        """Computed losses, and predictions elsewhere."""
        losses = self.predicted.copy()
        losses[self._nodes] = self._found
        return losses

    def add(self, nodes: np.ndarray, found: np.ndarray) -> None:
        """Add computed losses and predict again."""
        self._apart = np.column_stack(
            [self._apart, cdist(self._grid.nodes, self._grid.nodes[nodes])])
        self._nodes, self._found = np.append(self._nodes, nodes), np.append(self._found, found)
        finite = np.isfinite(self._found)
        self._nearest = self._apart.min(1)
        infinite = ~finite[self._apart.argmin(1)]
        self.predicted, self._expected = self._interpolate(finite)
        self.predicted[infinite] = np.nan
        # Where finite and other losses meet, nothing is known until a point is computed there.
        if finite.any() and not finite.all():
            other = np.abs(self._apart[:, finite].min(1) - self._apart[:, ~finite].min(1))
            self._expected = np.where(other < 0.5 * self._nearest, 1.0,
                                      np.where(infinite, 0.0, self._expected))

    def worst(self, count: int) -> np.ndarray:
        """The nodes to compute next: the largest expected errors, kept apart from each other."""
        nearest, chosen = self._nearest.copy(), []
        spacing = 1 / math.sqrt(len(self._nodes))
        for _ in range(count):
            # The tiny share of the distance spreads the points where no error is expected.
            score = (self._expected + 1e-9) * np.minimum(nearest / spacing, 1)
            chosen.append(int(np.argmax(score)))
            nodes = self._grid.nodes
            nearest = np.minimum(nearest, np.linalg.norm(nodes - nodes[chosen[-1]], axis=1))
        return np.array(chosen)

    def _interpolate(self, finite: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predicted losses and expected relative errors at every node.

        The error to expect is the difference from a second interpolation (thin plates), and the
        error that leaving one point out makes at the points nearby (Rippa, Advances in
        Computational Mathematics 11, 1999), which reveals kinks that both interpolations smooth.
        """
        nodes, found = self._grid.nodes, self._found[finite]
        if len(found) < LEAST:
            return np.full(len(nodes), np.nan), np.ones(len(nodes))
        heights, apart = np.log(np.maximum(found, 0) + FLOOR), self._apart[:, finite]
        places = self._nodes[finite]
        cubic, left_out = _radial(_cube, places, heights, apart, nodes)
        plate, _ = _radial(_plate, places, heights, apart, nodes)
        with np.errstate(over="ignore"):
            predicted = np.maximum(np.exp(cubic) - FLOOR, 0.0)
        weights = 1 / np.maximum(apart, 1e-9) ** 3
        nearby = (weights @ np.abs(left_out)) / weights.sum(1)
        spacing = 1 / math.sqrt(len(self._nodes))
        expected = np.abs(cubic - plate) + 0.3 * nearby * (self._nearest / spacing) ** 2
        return predicted, expected * (predicted + FLOOR) / np.maximum(predicted, FLOOR)


def _radial(kernel: Callable[[np.ndarray], np.ndarray], places: np.ndarray, heights: np.ndarray,
            apart: np.ndarray, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The interpolant at all nodes, and its error at each place when that one is left out."""
    count = len(places)
    trend = np.column_stack([np.ones(len(nodes)), nodes])
    kernels = kernel(apart)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = kernels[places]
    system[:count, count:] = trend[places]
    system[count:, :count] = trend[places].T
    coefficients = np.linalg.solve(system, np.append(heights, np.zeros(3)))
    left_out = coefficients[:count] / np.diag(np.linalg.inv(system))[:count]
    return kernels @ coefficients[:count] + trend @ coefficients[count:], left_out


def _cube(r: np.ndarray) -> np.ndarray:
    return r * r * r


def _plate(r: np.ndarray) -> np.ndarray:
    return r * r * np.log(np.maximum(r, 1e-300))


def _coarse(count: int) -> np.ndarray:
    """Nodes of the first grid along an axis of `count`, both ends among them."""
    side = min(count, max(LEAST, math.ceil(count / COARSE)))
    return np.round(np.linspace(0, count - 1, side)).astype(int)


def _error(predicted: np.ndarray, found: np.ndarray) -> np.ndarray:
    both, one = (np.isfinite(predicted) & np.isfinite(found),
                 np.isfinite(predicted) ^ np.isfinite(found))
    error = np.where(one, np.inf, 0.0)
    error[both] = np.abs(predicted[both] - found[both]) / np.maximum(found[both], FLOOR)
    return error
