"""Every contest's lines from a made-up record, and a peer's process from start to end."""

import math
from statistics import fmean

import pytest
import torch

from benchmarks.side_by_side.contests import CONTESTS, contest, panel
from benchmarks.side_by_side.record import Record
from benchmarks.side_by_side.referee import Peer

LAYERS = ("stem", "blocks.0.conv1", "linear")
FIGURES = {
    "eigenvalues": {"cpu": 2.0, "products": 10, "error": 1e-4},
    "product": {"cpu": 2.0, "error": 1e-6},
    "panel": {"cpu": 2.0, "products": 10, "density_error": 0.1, "trace_products": 10,
              "trace_spread": 50.0, "trace_value": 100.0},
    "surface": {"whole": 2.0, "preview": 0.5, "computed": 300, "held_out": 0.01,
                "true_largest": 0.03, "true_99": 0.01},
    "layers": dict.fromkeys(LAYERS, 2.0) | {"error": 1e-6},
    "point": {"cpu": 2.0, "batch": 50, "format": "channels_last"},
    "ngf_step": dict.fromkeys(LAYERS, 2.0),
    "last_layer": {"cpu": 2.0},
    "live": {"cpu": 2.0},
}


@pytest.mark.parametrize("name", CONTESTS)
def test_equal_figures_give_a_ratio_of_one(name):
    held = contest(name)
    record = Record(name, "before", 10, 1, {peer: [FIGURES[name]] * 3 for peer in held.peers},
                    {"wall": 60.0, "error": 1e-6}, 1.0, "today", {})
    lines = held.lines(record)
    assert lines
    different = {"trace to 5 % standard error, products": 100 / 10,
                 "51 x 51 surface, preview, wall seconds": 4.0}
    for line in lines:
        assert line.ratio == pytest.approx(different.get(line.what, 1.0)), line.what


def test_one_layer_surfaces_are_compared_by_mean_ratio_and_by_sum():
    theirs, mine = {"a": 8.0, "b": 2.0, "linear": 9.0}, {"a": 1.0, "b": 2.0, "linear": 3.0}
    record = Record("layers", "before", 10, 1, {"loss-landscapes": [theirs],
                                                "ours": [mine | {"error": 1e-6}]}, {}, 1.0, "", {})
    mean, total, last = contest("layers").lines(record)
    assert mean.ratio == fmean((8.0, 1.0))
    assert total.ratio == pytest.approx(10 / 3)
    assert last.ratio == 3.0


def test_plain_probes_needed_follow_from_their_spread():
    """A spread of half the trace asks for (0.5 / 0.05)^2 = 100 probes."""
    record = Record("panel", "before", 10, 1, {p: [FIGURES["panel"]] for p in
                                               ("pyhessian", "ours")}, {}, 1.0, "", {})
    assert contest("panel").lines(record)[0].theirs == "100 (10)"


def test_density_error_counts_decades_where_the_density_is_seen():
    reference = torch.tensor([1.0, 1e-3, 1e-9], dtype=torch.float64)
    density = torch.tensor([10.0, 1e-3, 1.0], dtype=torch.float64)
    assert panel.density_error(density, reference) == pytest.approx(0.5)


def test_nodes_and_exact_weights_of_a_quadrature():
    """A diagonal T has its diagonal as nodes and the start vector's place as the only weight."""
    alphas = torch.arange(8, dtype=torch.float64)
    nodes, weights = panel._nodes(alphas, torch.zeros(8, dtype=torch.float64))
    assert nodes.tolist() == alphas.tolist()
    assert weights.tolist() == [1.0, *[0.0] * 7]
    _, exact = panel._exact_top((nodes, torch.full((8,), 1 / 8, dtype=torch.float64)), 1000)
    assert exact[-panel.K:].tolist() == [1 / 1000] * panel.K
    assert math.isclose(exact.sum(), 1.0)


def test_a_peer_measures_in_a_process_of_its_own():
    with Peer("point", "bare", "before", 4, 1, None, quick=True) as peer:
        first, second = (peer.measure(seed, {}) for seed in range(2))
    assert first["cpu"] > 0 and second["cpu"] > 0
    assert first["batch"] == 25


def test_a_peer_that_fails_says_so():
    with pytest.raises(RuntimeError, match="'nobody' stopped"), \
            Peer("point", "nobody", "before", 4, 1, None, quick=True):
        pass
