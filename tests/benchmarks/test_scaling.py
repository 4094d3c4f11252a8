"""The scaling model is the one that the measurements give; the tested size has no part in it."""

import copy
import json
import re
from types import SimpleNamespace

import pytest
import torch

from benchmarks.scaling.__main__ import RESULTS
from benchmarks.scaling.report import (
    BANDWIDTH,
    BOUND,
    CORES,
    RANKS,
    TOGETHER,
    _elsewhere,
    errors,
    fit,
    page,
)
from benchmarks.scaling.sizes import AGAIN, NETWORKS, SIZES, TESTED, stage_of
from ngf_core.config import SpectrumConfig
from ngf_core.curvature import HessianOperator
from ngf_core.curvature.spectral.vector_budget import VectorBudget
from ngf_core.data import DATASETS
from ngf_core.errors import ConfigError
from ngf_core.execute.run_stages import bytes_for_graphs, chunk, rebuilt
from ngf_core.models.build import build_model
from ngf_core.scaling import stages
from ngf_core.scaling.model import FITTED, exchange
from ngf_core.scaling.network import network_of
from ngf_core.scaling.stages import HELD, STAGES, Evaluate, Poison, Spectrum, Train
from tests.docs.pages import ROOT

MEASURED = json.loads((RESULTS / "scaling.json").read_text())["measured"]
PAGE = (ROOT / "docs/scaling.md").read_text(encoding="utf-8")


def test_what_ships_is_what_was_fitted():
    shipped, found = json.loads(FITTED.read_text()), fit(MEASURED)
    for name in STAGES:
        for what in ("seconds", "bytes"):
            assert shipped[name][what] == pytest.approx(found[name][what], rel=1e-6)


def test_the_tables_are_those_of_the_measurements():
    assert (RESULTS / "scaling.md").read_text() == page(MEASURED)


def test_the_fit_does_not_see_the_tested_size():
    other = copy.deepcopy(MEASURED)
    for name in STAGES:
        other[name][TESTED] = other[name][AGAIN] = {"seconds": 1e9, "bytes": 1e15}
    assert fit(other) == fit(MEASURED)


def test_the_tested_size_is_beyond_all_others():
    *networks, last = (network_of(*NETWORKS[size]) for size in SIZES)
    for fact in ("multiply_adds", "written", "saved", "alive", "weights", "pixels"):
        assert getattr(last, fact) > 2 * max(getattr(one, fact) for one in networks), fact
    for name, term in (("decode", "pixels decoded"), ("decode", "bytes stored"),
                       ("poison", "bytes poisoned")):
        *seen, tested = (stage_of(name, size).time[term] for size in SIZES)
        assert tested > 2 * max(seen), (name, term)


def test_times_are_within_the_bound_and_the_page_tells_what_memory_is_not():
    model = fit(MEASURED)
    missed = set()
    for size in (TESTED, AGAIN):
        for name, error in errors(MEASURED, model, size).items():
            assert abs(error.get("seconds", 0.0)) <= BOUND, (name, size)
            if abs(error["bytes"]) > BOUND:
                missed.add((name, size, round(100 * error["bytes"])))
    assert ("poison", AGAIN, 32) in missed, "what the page tells below the second test"
    _, _, below = PAGE.partition("| | stage, second test |")
    said = re.findall(r"^(\w+) is (\d+) % too (high|low)\.", below, re.MULTILINE)
    assert {({"Poisoning": "poison", "Training": "train", "Purifying": "purify",
              "A spectrum": "spectrum"}[name], AGAIN, int(off) * (1 if way == "high" else -1))
            for name, off, way in said} == missed


def test_the_page_tells_which_fits_are_interpolations():
    exact = []
    for name in STAGES:
        for what, term in (("seconds", "time"), ("bytes", "memory")):
            together = TOGETHER if name in TOGETHER and what == "seconds" else (name,)
            if len(getattr(stage_of(name, SIZES[0]), term)) == len(together) * len(SIZES[:-1]):
                exact.append(min(fit(MEASURED)[name][what].values()) > 0)
    assert (len(exact), sum(exact), 2 * len(STAGES)) == (7, 6, 14)
    assert re.search(r"Seven of the fourteen fits have as many coefficients.*\n"
                     r"six of them have no coefficient that is zero", PAGE)


@pytest.mark.parametrize(("name", "told"), [("poison", "0.96"), ("purify", "0.98"),
                                            ("train", "1.45"), ("spectrum", "1.31")])
def test_the_coefficients_of_what_is_held_are_told(name, told):
    found = fit(MEASURED)[name]["bytes"][HELD]
    assert f"{found:.2f}" == told and told in stages.__doc__
    said = re.search(r"Its coefficient, [^*]* near 1\.", PAGE)
    assert said and f"{found:.2g}" in said[0]


def test_what_the_page_quotes_and_computes():
    rows = {line.split(" | ")[0].strip("| "): line
            for line in page(MEASURED).partition("| ImageNet")[2].partition("\n\n")[0].splitlines()}
    for row, quoted in (("train, 90 epochs", ("194 days", "12.1 days", "2.9 days", "8.6")),
                        ("poison", ("14.4",)), ("race: evaluate, 42 times", ("5.5 days",)),
                        ("race: NGF tunes", ("3.2 h",)), ("decode, once", ("200",))):
        for number in quoted:
            assert f" {number} " in rows[row], (row, number)
            assert number.removesuffix(" days") in PAGE, number
    network = network_of("resnet50", 224, 1000)
    images = SpectrumConfig.samples
    for memory, vectors, graph in ((SpectrumConfig.memory, 12, 7), (16.0, 66, 50)):
        graphs = bytes_for_graphs(SpectrumConfig(source="x", memory=memory), network)
        assert (memory * 1e9 - graphs) // (4 * network.weights) == vectors
        assert chunk(images, network, graphs) == graph and rebuilt(images, network, graphs) == 1
    assert rebuilt(images, network, bytes_for_graphs(
        SpectrumConfig(source="x", memory=45.0), network)) == 0
    for told in ("holds twelve", "graph of seven images", "holds 66", "graph of 50 images",
                 "six eigenvalues need 26", "45 GB keep them all"):
        assert told in re.sub(r"\s+", " ", PAGE), told
    weights = SimpleNamespace(size=network.weights, dtype=torch.float32)
    least = re.escape(f"at least {26 * 4 * network.weights:.3g} for vectors")
    with pytest.raises(ConfigError, match=least):
        VectorBudget.of(SpectrumConfig.memory * 1e9 / 2, weights,
                        SpectrumConfig.k + SpectrumConfig.bottom)
    train, evaluations = (_elsewhere(stage, 1.0, "train")[2] for stage in (
        Poison(1, 1, 1), Evaluate(network, 1)))
    assert (train, evaluations) == (1 / CORES, 1 / CORES / RANKS)
    exchanged = exchange(Train(network, 90 * DATASETS["imagenet"].train_images, 128), RANKS,
                         BANDWIDTH)
    assert exchanged / 86400 == pytest.approx(2.9 / 2, rel=0.05)


def test_a_real_operators_graph_keeps_twice_what_a_training_pass_saves():
    side = 16
    operator = HessianOperator(build_model("resnet18", (3, side, side), 10),
                               (torch.zeros(8, 3, side, side), torch.arange(8)), memory=1e12)
    saved = network_of("resnet18", side).saved
    assert operator.graph.per_sample / saved == pytest.approx(Spectrum.GRAPH, rel=0.02)
