"""Interpolated surfaces: against closed forms, scipy's interpolation and the full grid."""

import math

import numpy as np
import pytest
import torch
from scipy.interpolate import RBFInterpolator

from ngf_core.errors import ConfigError, NGFError
from ngf_core.landscape import Evaluator, preview, preview_rounds, random_plane, surface

FLOOR, BOUND = 0.1, 0.02
SIDE = np.linspace(-1, 1, 31)


class Recorded:
    """Losses of a known surface, and every point that was asked for."""

    def __init__(self, z: np.ndarray, side: np.ndarray = SIDE):
        self._z, self._at, self.nodes = z, {float(v): i for i, v in enumerate(side)}, []

    def __call__(self, points):
        nodes = [(self._at[y], self._at[x]) for x, y in points]
        self.nodes += nodes
        return torch.tensor([self._z[node] for node in nodes], dtype=torch.float64)


def relative(found, truth) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.abs(np.asarray(found) - truth) / np.maximum(truth, FLOOR)


def bowl(seed: int) -> np.ndarray:
    """A tilted valley with bumps and a soft kink, from about 0.05 to 30."""
    r = np.random.default_rng(seed)
    x, y = np.meshgrid(SIDE, SIDE)
    turn, (c, d) = r.uniform(0, np.pi), r.uniform(-0.4, 0.4, 2)
    u = np.cos(turn) * (x - c) + np.sin(turn) * (y - d)
    v = np.cos(turn) * (y - d) - np.sin(turn) * (x - c)
    z = r.uniform(0.02, 0.3) + r.uniform(1, 30) * u**2 + r.uniform(0.1, 3) * v**2
    for _ in range(r.integers(0, 4)):
        (p, q), width = r.uniform(-1, 1, 2), r.uniform(0.3, 0.8)
        z *= 1 + r.uniform(-0.6, 1.5) * np.exp(-((x - p) ** 2 + (y - q) ** 2) / width**2)
    p, q = r.uniform(-1, 1, 2)
    return z + r.uniform(0, 2) * np.logaddexp(0, 15 * (p * x + q * y + r.uniform(-0.5, 0.5))) / 15


def test_the_true_error_is_within_what_is_stated_at_the_stated_rate():
    """Where the bound is said to be reached, 99 % of the grid are within it on 9 of 10 surfaces,
    and the median over the grid is below the stated median on all of them."""
    held, medians = [], []
    for seed in range(40):
        found = preview(Recorded(bowl(seed)), SIDE, SIDE)
        errors = relative(found.losses, bowl(seed))
        if found.reached:
            held.append((errors <= BOUND).mean() >= 0.99)
            medians.append(np.median(errors) <= found.median)
        assert found.points <= 0.25 * SIDE.size**2
    assert len(held) > 25
    assert np.mean(held) > 0.9 and all(medians)


def test_predictions_are_scipys_and_made_before_the_points_are_used():
    truth = bowl(3)
    record = Recorded(truth)
    nodes, errors = [], []
    unit = np.linspace(0, 1, 31)
    rows, columns = np.mgrid[:31, :31].reshape(2, -1)
    places = np.column_stack([unit[columns], unit[rows]])
    predicted = None
    for found in preview_rounds(record, SIDE, SIDE):
        new = record.nodes[len(nodes):]
        if predicted is not None:
            errors.append([relative(predicted[node], truth[node]) for node in new])
            np.testing.assert_allclose(found.held_out, np.concatenate(errors[-2:]), atol=1e-8)
        nodes += new
        known = [31 * i + j for i, j in nodes]
        spline = RBFInterpolator(places[known], np.log(truth.ravel()[known] + FLOOR),
                                 kernel="cubic", degree=1)
        predicted = (np.exp(spline(places)) - FLOOR).reshape(31, 31)
        np.testing.assert_allclose(found.losses, np.maximum(predicted, 0), atol=1e-6, rtol=1e-6)
        assert sorted(zip(*np.nonzero(found.computed.numpy()), strict=True)) == sorted(nodes)
        for node in nodes:
            assert found.losses[node] == truth[node]
    assert len(errors) >= 2 and len(set(nodes)) == len(nodes) == found.points


def test_a_narrow_valley_is_refined_where_it_is():
    x, y = np.meshgrid(SIDE, SIDE)
    distance = np.abs(x - 0.3)
    found = preview(Recorded(0.05 + 5 * distance / (distance + 0.1) + 0.1 * y), SIDE, SIDE)
    later = found.computed.numpy().copy()
    first = next(iter(preview_rounds(Recorded(x**2 + y**2 + 0.1), SIDE, SIDE)))
    later &= ~first.computed.numpy()
    valley = distance < 0.2
    assert later[valley].mean() > 4 * later[~valley].mean()


def test_losses_that_are_not_finite_stay_blank_and_their_border_is_found():
    x, y = np.meshgrid(SIDE, SIDE)
    truth = 0.1 + x**2 + y**2
    truth[x + 0.5 * y > 0.8] = np.inf
    truth[(x < -0.9) & (y < -0.9)] = np.nan
    found = preview(Recorded(truth), SIDE, SIDE, most=500)
    blank = ~np.isfinite(found.losses.numpy())
    assert (blank != ~np.isfinite(truth)).sum() <= 2
    agree = ~blank & np.isfinite(truth)
    assert (relative(found.losses, truth)[agree] <= BOUND).mean() > 0.99
    assert not found.held_out.isnan().any()


def test_all_losses_overflow():
    found = preview(Recorded(np.full((31, 31), np.inf)), SIDE, SIDE)
    computed = found.computed.numpy()
    assert found.losses.isinf().numpy()[computed].all()
    assert found.losses.isnan().numpy()[~computed].all()


def test_a_bound_that_cannot_be_reached_is_not_claimed():
    noise = np.exp(np.random.default_rng(0).normal(size=(31, 31)))
    found = preview(Recorded(noise), SIDE, SIDE, most=97)
    assert not found.reached and found.points == 97
    assert found.largest > BOUND and found.median > BOUND
    assert len(found.held_out) == 24


def test_nothing_is_claimed_before_anything_was_checked():
    found = next(iter(preview_rounds(Recorded(bowl(0)), SIDE, SIDE)))
    assert math.isnan(found.largest) and math.isnan(found.median) and not found.reached


def test_a_grid_that_is_computed_whole_has_no_error():
    side = SIDE[::10]
    x, y = np.meshgrid(side, side)
    record = Recorded(np.exp(x + y), side)
    found = preview(record, side, side)
    assert found.complete and found.reached and found.largest == 0 == found.median
    assert len(record.nodes) == 16


def test_an_earlier_calls_losses_are_not_asked_for_again():
    """From a memory of the first rounds, the rounds go on to the same end."""
    whole = Recorded(bowl(5))
    end = preview(whole, SIDE, SIDE)
    cut, memory = Recorded(bowl(5)), {}

    def remembering(points):
        missing = [p for p in points if p not in memory]
        if missing:
            memory.update(zip(missing, cut(missing).tolist(), strict=True))
        return torch.tensor([memory[p] for p in points])

    rounds = preview_rounds(remembering, SIDE, SIDE)
    next(rounds), next(rounds), next(rounds)
    again = preview(remembering, SIDE, SIDE)
    torch.testing.assert_close(again.losses, end.losses, rtol=1e-6, atol=1e-9)
    assert sorted(cut.nodes) == sorted(whole.nodes)


def test_rectangles_and_uneven_grids_keep_their_places():
    xs, ys = np.linspace(-2, 3, 25), np.linspace(10, 11, 17)
    x, y = np.meshgrid(xs, ys)
    truth = 1 + np.exp(x / 2) * (y - 9.5)
    found = preview(lambda points: torch.tensor([1 + math.exp(a / 2) * (b - 9.5)
                                                 for a, b in points]), xs, ys)
    assert found.losses.shape == (17, 25) and not found.complete
    assert (relative(found.losses, truth) <= BOUND).mean() > 0.99


def test_a_networks_surface(make_net, batches):
    net = make_net(0)
    plane = random_plane(net, torch.Generator().manual_seed(1))
    side = torch.linspace(-0.8, 0.8, 21)
    evaluator = Evaluator(net, plane, {"clean": batches["triggered"]})
    found = preview(lambda points: evaluator.losses(points)["clean"], side, side)
    truth = surface(net, plane, side, side, {"clean": batches["triggered"]})["clean"]
    assert torch.equal(found.losses[found.computed], truth[found.computed])
    assert np.quantile(relative(found.losses, truth.numpy()), 0.98) <= BOUND


@pytest.mark.parametrize(("change", "message"), [
    ({"bound": 0.0}, "bound: 0.0 is not a positive number"),
    ({"bound": float("nan")}, "bound: nan is not a positive number"),
    ({"most": 10}, "most: 10 points are fewer than the 25 of the first grid"),
    ({"xs": [0.0, 1.0]}, "xs: there are 2 points. Give at least three"),
    ({"xs": [0.0, 2.0, 1.0]}, "xs: the numbers do not increase"),
    ({"ys": [0.0, math.nan, 1.0]}, "ys: not every number is finite"),
])
def test_bad_requests(change, message):
    with pytest.raises(ConfigError, match=message):
        preview(Recorded(bowl(0)), **{"xs": SIDE, "ys": SIDE} | change)


def test_an_evaluation_that_loses_points():
    with pytest.raises(NGFError, match="25 losses were requested, and 1 returned"):
        preview(lambda points: torch.ones(1), SIDE, SIDE)
