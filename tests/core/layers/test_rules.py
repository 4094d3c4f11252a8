"""Rules on statistics made by hand; those of a real layer against a dense Fisher matrix."""

import json
import math
from dataclasses import replace

import pytest
import torch

from ngf_core.fisher.per_sample import tap
from ngf_core.fisher.rows import last_layer_rows
from ngf_core.layers.oracle import oracle
from ngf_core.layers.perturb import PROBES, probes
from ngf_core.layers.rules import DEFAULT_RULE, RULES, best, judge
from ngf_core.layers.statistics import LayerStatistics, Probed, fisher_eigenvalues, layer_statistics
from ngf_core.layers.tune import stations_of
from tests.support.tiny_models import clean_set, settings, tiny


def seen(travel: float, loss: float, accuracy: float = 0.9) -> dict[str, Probed]:
    there = Probed(travel, loss, accuracy, 1.0)
    return {name: there for name in (*PROBES, "augmented", "clean")}


LAYERS = [LayerStatistics("first", 0, 0.0, 10, 2.0, 8.0, (4.0, 2.0), 0.1, seen(0.9, 2.0, 0.5)),
         LayerStatistics("second", 1, 0.25, 100, 3.0, 20.0, (5.0, 5.0), 0.3, seen(0.5, 0.5, 0.9)),
         LayerStatistics("third", 2, 0.65, 1000, 4.0, 10.0, (8.0, 1.0), 0.2, seen(0.2, 0.4, 0.8)),
         LayerStatistics("last", 3, 1.0, 4, 5.0, 6.0, (3.0, 1.0), 0.0, seen(0.6, 0.9, 0.7))]


@pytest.mark.parametrize("rule, layer, score", [
    ("fisher_mass", "second", 20.0), ("least_mass", "last", -6.0), ("fisher_density", "last", 1.5),
    ("relative_mass", "last", 37.5), ("spectrum_ratio", "second", -0.25),
    ("sensitivity", "second", 0.3), ("travel", "first", 0.9), ("steadiness", "second", 0.9),
    ("held_out_loss", "third", -0.4), ("bounded_travel", "second", 0.5),
    ("last_layer", "last", 1.0), ("quarter", "second", 0.0), ("two_thirds", "third", -1 / 60)])
def test_each_rule_by_hand(rule, layer, score):
    scores = judge(LAYERS, rule)
    assert list(scores) == ["first", "second", "third", "last"]
    assert best(scores) == layer and scores[layer] == pytest.approx(score)


def test_every_rule_is_tested_and_says_what_it_is():
    mark = test_each_rule_by_hand.pytestmark[0]
    assert {case[0] for case in mark.args[1]} == set(RULES) and DEFAULT_RULE in RULES
    assert all(len(rule.scores.__doc__) > 40 for rule in RULES.values())


def test_bounded_travel_passes_over_layers_that_cost_more_than_the_median():
    scores = judge(LAYERS, "bounded_travel")
    assert scores["first"] is None and scores["last"] is None and scores["third"] is not None


@pytest.mark.parametrize("rule", list(RULES))
def test_a_rule_that_saw_nothing_gives_no_number_that_is_none(rule):
    blind = [replace(one, trace=math.nan, eigenvalues=(math.nan,), sensitivity=math.nan, probed={})
             for one in LAYERS]
    scores = judge(blind, rule)
    assert all(s is None for s in scores.values()) == bool(RULES[rule].sees)
    assert (best(scores) is None) == bool(RULES[rule].sees)


def test_a_look_can_be_kept_as_json():
    for one in (*LAYERS, replace(LAYERS[0], sensitivity=math.inf)):
        kept = LayerStatistics.of(json.loads(json.dumps(one.plain(), allow_nan=False)))
        assert kept == one or math.isnan(kept.sensitivity)


def test_the_fisher_seen_at_the_last_layer_is_the_dense_one():
    model, config = tiny(), settings(augment="none", batchnorm="frozen")
    clean = clean_set(24)
    *_, station = stations_of(model, clean, config, {"held": clean.x.float() / 255})
    values = fisher_eigenvalues(station, 0)
    model.linear.requires_grad_(True)
    rows = last_layer_rows(tap(model, model.linear, clean.x.float() / 255)).double()
    dense = torch.linalg.eigvalsh(rows.T @ rows).flip(0)
    assert torch.allclose(values[:20], dense[:20], rtol=1e-4, atol=1e-9)
    before = model.linear.weight.clone()
    found = layer_statistics(station, 0, "held", clean.y)
    assert found.trace == pytest.approx(dense.sum().item(), rel=1e-4)
    assert found.norm == pytest.approx(torch.cat([before.flatten(), model.linear.bias]).norm()
                                       .item())
    assert torch.equal(model.linear.weight, before)


def test_changed_images_are_images_and_follow_the_seed():
    x = clean_set(6).x.float() / 255
    found = probes(x, 2, 0)
    assert set(found) == set(PROBES)
    for name, images in found.items():
        assert images.shape == (12, *x.shape[1:]) and 0 <= images.min() <= images.max() <= 1, name
        assert not torch.allclose(images[:6], x, atol=0.01), name
        assert not torch.equal(images[:6], images[6:]), name
        assert torch.equal(images, probes(x, 2, 0)[name])


def entry(layer: str, acc: int, asr: int | None, ra: int = 50, method: str = "ngf") -> dict:
    return {"layer": layer, "method": method, "acc": {"hits": acc, "n": 100},
            "asr": None if asr is None else {"hits": asr, "n": 100}, "ra": {"hits": ra, "n": 100}}


BEFORE = {"acc": {"hits": 99, "n": 100}, "asr": {"hits": 98, "n": 100}, "ra": None}


def test_the_oracle_loses_at_most_two_points():
    rows = [entry("cheap", 99, 60), entry("good", 97, 10), entry("dear", 96, 0),
            entry("other", 99, 0, method="sgd")]
    assert oracle(rows, BEFORE) == {"layer": "good", "method": "ngf"}
    assert oracle(rows, BEFORE, "sgd") == {"layer": "other", "method": "sgd"}
    assert oracle([*rows, entry("same", 98, 10, 80)], BEFORE)["layer"] == "same"


def test_where_all_layers_lose_more_two_points_from_the_best_count():
    rows = [entry("least", 90, 60), entry("near", 88, 10), entry("far", 87, 0)]
    assert oracle(rows, BEFORE)["layer"] == "near"


def test_there_is_no_oracle_without_an_attack():
    assert oracle([entry("any", 99, None)], BEFORE | {"asr": None}) is None
    assert oracle([], BEFORE) is None
