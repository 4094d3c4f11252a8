"""Regrets of rules and leave-one-attack-out, by hand."""

import json

import pytest

from benchmarks import auto_layer
from ngf_core.evidence import TABLES
from ngf_core.layers.perturb import PROBES
from ngf_core.layers.rules import DEFAULT_RULE, RULES
from ngf_core.layers.statistics import LayerStatistics, Probed


def layer_statistics(layer: str, index: int, trace: float) -> dict:
    probed = {name: Probed(0.1, 0.2, 0.9, 1.0) for name in (*PROBES, "augmented", "clean")}
    return LayerStatistics(layer, index, float(index), 10, 1.0, trace, (trace,), 0.0,
                           probed).plain()


def results(asr: dict[str, int]) -> dict:
    """A map of the layers a and b that lose a point of ACC each; a has the larger Fisher mass."""
    def counts(acc, asr):
        return {"acc": {"hits": acc, "n": 100}, "asr": {"hits": asr, "n": 100},
                "ra": {"hits": 0, "n": 100}}

    entries = [{"layer": layer, "method": method, "seconds": 1.0, "fisher_trace": 2.0}
               | counts(98, asr[layer] if method == "ngf" else 99)
               for layer in asr for method in ("ngf", "sgd")]
    return {"before": counts(99, 100), "map": entries,
            "looks": [layer_statistics("a", 0, 5.0), layer_statistics("b", 1, 1.0)],
            "scores": {DEFAULT_RULE: {"a": None, "b": 1.0}}}


def test_regret_is_what_the_pick_leaves_above_the_oracle():
    found = auto_layer.regrets(results({"a": 30, "b": 10}))
    assert set(found) == {*RULES, auto_layer.AT_MAP}
    mass = found["fisher_mass"]
    assert (mass["layer"], mass["oracle"]) == ("a", "b")
    assert mass["regret_asr"] == pytest.approx(20) and mass["regret_der"] == pytest.approx(10)
    assert mass["regret_acc"] == pytest.approx(0) and mass["asr"] == pytest.approx(30)
    assert found["least_mass"]["regret_asr"] == 0
    assert found[DEFAULT_RULE]["layer"] == "b"  # as "auto" chose it, not as the statistics have it
    assert found[auto_layer.AT_MAP]["layer"] == "a"


def test_the_rule_is_chosen_without_the_attack_it_is_judged_on():
    maps = {"one": {"a": 10, "b": 12}, "two": {"a": 10, "b": 12}, "three": {"a": 40, "b": 10}}
    found = {name: {rule: auto_layer.regrets(results(asr))[rule]
                    for rule in ("fisher_mass", "least_mass")} for name, asr in maps.items()}
    told = auto_layer.summary(found)
    assert told["rules"]["fisher_mass"]["regret_asr"] == pytest.approx(10)
    assert list(told["rules"]) == ["least_mass", "fisher_mass"]
    left_out = told["left_one_out"]
    assert {name: of["rule"] for name, of in left_out["models"].items()} == {
        "one": "least_mass", "two": "least_mass", "three": "fisher_mass"}
    assert left_out["mean_regret_asr"] == pytest.approx((2 + 2 + 30) / 3)


def test_a_row_a_layer_and_method_with_counts_and_scores():
    table = auto_layer.rows("badnets", results({"a": 30, "b": 10}))
    assert [(row["layer"], row["method"]) for row in table] == [
        ("a", "ngf"), ("a", "sgd"), ("b", "ngf"), ("b", "sgd")]
    assert table[0]["asr_hits"] == 30 and table[0]["asr_n"] == 100 and table[0]["seed"] == 0
    assert table[0]["score_fisher_mass"] == 5.0
    assert table[0][f"score_{DEFAULT_RULE}"] is None


def test_the_table_that_ships_says_what_the_report_says():
    report = json.loads((TABLES / "auto.json").read_text())
    table = auto_layer.markdown(report)
    assert table == (TABLES / "layer_rules.md").read_text()
    first, last = table.splitlines()[2], table.splitlines()[-1]
    assert first.startswith(f"| {RULES['last_layer'].title} | 3.4 [−2.2, 8.9] | 33.4 | ")
    assert "| 3.4 |" in last and len(table.splitlines()) == 2 + len(RULES) + 1
