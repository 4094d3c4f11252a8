"""The scaling model is the one that the measurements give; the tested size has no part in it."""

import copy
import json
import re

import pytest

from benchmarks.scaling.__main__ import RESULTS
from benchmarks.scaling.report import BANDWIDTH, BOUND, RANKS, errors, fit, page
from benchmarks.scaling.sizes import AGAIN, NETWORKS, SIZES, TESTED, stage_of
from ngf_core.config import SpectrumConfig
from ngf_core.data import DATASETS
from ngf_core.execute.run_stages import GRAPH
from ngf_core.scaling.model import FITTED, exchange
from ngf_core.scaling.network import network_of
from ngf_core.scaling.stages import STAGES, Train
from tests.docs.pages import ROOT

MEASURED = json.loads((RESULTS / "scaling.json").read_text())["measured"]


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


def test_times_are_within_the_bound_and_the_page_says_why_some_memory_is_not():
    off = errors(MEASURED, fit(MEASURED))
    assert not [name for name, error in off.items() if abs(error["seconds"]) > BOUND]
    missed = {name for name, error in off.items() if abs(error["bytes"]) > BOUND}
    assert all(off[name]["bytes"] > 0 for name in missed), "the page says that they are too high"
    told = (ROOT / "docs/scaling.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^- \*(\w+)\*: ", told, re.MULTILINE)) == missed


def test_what_the_page_quotes_and_computes():
    told = (ROOT / "docs/scaling.md").read_text(encoding="utf-8")
    rows = {line.split(" | ")[0].strip("| "): line
            for line in page(MEASURED).partition("| ImageNet")[2].partition("\n\n")[0].splitlines()}
    for row, quoted in (("train, 90 epochs", ("194 days", "12.1 days", "2.9 days", "8.6")),
                        ("poison", ("14.4",)), ("race: evaluate, 42 times", ("5.5 days",)),
                        ("race: NGF tunes", ("3.2 h",)), ("decode, once", ("200",))):
        for number in quoted:
            assert f" {number} " in rows[row], (row, number)
            assert number.removesuffix(" days") in told, number
    network = network_of("resnet50", 224, 1000)
    half = SpectrumConfig.memory * 1e9 / 2
    assert half // (4 * network.weights) == 12 and "twelve" in told
    assert half // (GRAPH * network.saved) == 3
    exchanged = exchange(Train(network, 90 * DATASETS["imagenet"].train_images, 128), RANKS,
                         BANDWIDTH)
    assert exchanged / 86400 == pytest.approx(2.9 / 2, rel=0.05)
