"""What a layer map came to, in a sentence: best layer, the clean-only pick, the last layer."""

import copy

import pytest

from app.widgets.layers.map_outcome import COST, map_outcome
from ngf_core.layers import oracle

BEFORE = {"acc": {"hits": 990, "n": 1000}, "asr": {"hits": 860, "n": 900},
          "ra": {"hits": 20, "n": 900}}


def entry(layer: str, asr: int, method: str = "ngf") -> dict:
    return {"layer": layer, "method": method, "acc": {"hits": 980, "n": 1000},
            "asr": {"hits": asr, "n": 900}, "ra": {"hits": 800, "n": 900}, "stopped": None}


RESULTS = {"before": BEFORE, "auto": "stem",
           "map": [entry("stem", 120), entry("stem", 880, "sgd"), entry("conv", 27),
                   entry("conv", 1, "sgd"), entry("linear", 400), entry("linear", 870, "sgd")]}


def test_best_pick_and_last_with_their_numbers():
    assert map_outcome(RESULTS, "conv", "Fisher mass") == (
        "NGF removes this backdoor best at **conv**: ASR 3.0 % (95 % interval 2.1 to 4.3 %, "
        "n = 900), ACC 98.0 %. That is among the layers that lose at most 2 points of ACC "
        "(99.0 % as received). The rule that sees clean data only (Fisher mass) picks **stem**: "
        "ASR 13.3 % (95 % interval 11.3 to 15.7 %, n = 900), ACC 98.0 %. The last layer, "
        "**linear**: ASR 44.4 % (95 % interval 41.2 to 47.7 %, n = 900), ACC 98.0 %.")


def test_a_rule_as_good_as_the_oracle():
    said = map_outcome(RESULTS | {"auto": "conv"}, "conv", "Fisher mass")
    assert "(Fisher mass) picks this very layer. The last layer, **linear**" in said


@pytest.mark.parametrize("best, auto", [("linear", "stem"), ("conv", "linear")])
def test_the_last_layer_is_named_once(best, auto):
    said = map_outcome(RESULTS | {"auto": auto}, best, "r")
    assert "**linear**, the last layer: ASR 44.4 %" in said and said.count("last layer") == 1


def test_a_backdoor_that_stays_is_said_to_stay():
    results = copy.deepcopy(RESULTS)
    results["map"][2]["asr"]["hits"] = 91
    assert map_outcome(results, "conv", "r").startswith(
        "NGF removes this backdoor at no layer. It comes closest at **conv**: ASR 10.1 %")


def test_a_cure_that_costs_too_much_is_told_from_none():
    """stem removes it for 10 points of ACC, so that the best layer within two points is conv."""
    results = copy.deepcopy(RESULTS)
    results["map"][2]["asr"]["hits"] = 300
    results["map"][0] |= {"asr": {"hits": 9, "n": 900}, "acc": {"hits": 890, "n": 1000}}
    assert oracle.oracle(results["map"], BEFORE)["layer"] == "conv"
    said = map_outcome(results, "conv", "r")
    assert said.startswith("NGF removes this backdoor, but not cheaply. It does best at **conv**: "
                           "ASR 33.3 %")
    assert "among the layers that lose at most 2 points of ACC (99.0 % as received)" in said


def test_where_every_layer_costs_too_much_it_is_said():
    results = copy.deepcopy(RESULTS)
    for row in results["map"]:
        row["acc"] = {"hits": 960, "n": 1000}
    assert ("Every layer loses more than 2 points of ACC (99.0 % as received); that is among those "
            "within 2 points of the layer that loses least.") in map_outcome(results, "conv", "r")


def test_the_cost_is_the_oracles():
    assert COST == oracle.COST


def test_where_the_attack_had_not_taken_nothing_is_removed():
    weak = RESULTS | {"before": BEFORE | {"asr": {"hits": 300, "n": 900}}}
    said = map_outcome(weak, "conv", "r")
    assert said.startswith("There was little backdoor to remove (ASR as received 33.3 %). NGF does "
                           "best at **conv**")


def test_a_benign_model_has_only_accuracy_to_lose():
    rows = [entry("stem", 0) | {"asr": None, "acc": {"hits": 900, "n": 1000}},
            entry("linear", 0) | {"asr": None}]
    said = map_outcome({"before": {"acc": BEFORE["acc"], "asr": None, "ra": None}, "map": rows,
                        "auto": "stem"}, None, "r")
    assert said == ("This model is benign: there is no backdoor to remove, only accuracy to lose. "
                    "NGF leaves ACC between 90.0 % (**stem**) and 98.0 % (**linear**).")


@pytest.mark.parametrize("change, said", [
    ({"asr": {"hits": 0, "n": 0}}, "ASR undefined"),
    ({"stopped": "It diverged."}, ", stopped early"),
])
def test_what_is_not_known_is_said(change, said):
    results = copy.deepcopy(RESULTS)
    results["map"][4] |= change
    assert said in map_outcome(results, "conv", "r")


def test_nothing_measured():
    assert "not measured" in map_outcome(RESULTS, None, "r")
