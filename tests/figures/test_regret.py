"""Regrets of the rules: what a pick costs against the oracle's, per model, on average, left out."""

import numpy as np
import pandas as pd
import pytest

from app.figures import regret

BEFORE = {"acc": {"hits": 990, "n": 1000}, "asr": {"hits": 900, "n": 900},
          "ra": {"hits": 0, "n": 900}}
LAYERS = ("stem", "conv", "linear")


def rows(attack: str, asr: tuple[int, ...], seed: int = 0, **scores: tuple) -> pd.DataFrame:
    """NGF's map of one model; SGD's would mislead if it were looked at."""
    made = []
    for at, layer in enumerate(LAYERS):
        for method, hits in (("ngf", asr[at]), ("sgd", 0)):
            made.append({"attack": attack, "seed": seed, "layer": layer, "method": method,
                         "acc_hits": 980 - 10 * at, "acc_n": 1000, "asr_hits": hits, "asr_n": 900,
                         "ra_hits": 800, "ra_n": 900}
                        | {f"score_{name}": of[at] for name, of in scores.items()})
    return pd.DataFrame(made)


def lowest(entries: list[dict], before: dict) -> dict | None:
    assert before == BEFORE and all(entry["method"] == "ngf" for entry in entries)
    return min(entries, key=lambda entry: entry["asr"]["hits"]) if entries else None


TWO = pd.concat([rows("badnets", (90, 9, 450), mass=(3.0, 1.0, 2.0), last=(0.0, 0.1, 0.2)),
                 rows("blend", (27, 180, 360), mass=(2.0, 1.0, np.inf), last=(0.0, 0.1, 0.2))])
FOUND = {("badnets", 0): BEFORE, ("blend", 0): BEFORE}


def test_regret_is_the_pick_minus_the_oracle_in_points():
    table = regret.regrets(TWO, FOUND, lowest).set_index(["rule", "attack"])
    assert table.loc[("mass", "badnets"), ["layer", "oracle"]].tolist() == ["stem", "conv"]
    assert table.loc[("mass", "badnets"), "asr"] == pytest.approx(9.0)
    assert table.loc[("mass", "badnets"), "acc"] == pytest.approx(-1.0)
    # A score that is not finite is no score: stem it is, where the oracle is too.
    assert table.loc[("mass", "blend"), ["layer", "asr"]].tolist() == ["stem", 0.0]
    assert table.loc[("last", "blend"), "asr"] == pytest.approx(100 * (360 - 27) / 900)
    assert table.loc[("last", "blend"), "acc"] == pytest.approx(2.0)


def test_models_that_cannot_be_judged_are_left_out():
    unknown = rows("wanet", (1, 2, 3), mass=(1.0, 0.0, 0.0))
    benign = rows("none", (1, 2, 3), mass=(1.0, 0.0, 0.0)).assign(asr_hits=None)
    silent = rows("badnets", (1, 2, 3), mass=(None, None, None))
    table = regret.regrets(pd.concat([unknown, benign, silent]),
                           {("badnets", 0): BEFORE, ("none", 0): BEFORE}, lowest)
    assert table.empty and list(table.columns) == list(regret.COLUMNS)
    assert regret.left_out(table).empty


def test_a_pick_that_was_not_measured_is_no_number():
    missing = rows("badnets", (90, 9, 450), mass=(0.0, 0.0, 1.0))
    missing.loc[missing["layer"] == "linear", ["asr_hits", "asr_n"]] = np.nan
    table = regret.regrets(missing, FOUND, lowest)
    assert np.isnan(table["asr"][0])
    assert regret.regret_table(table)["worst"].isna().all()


def test_the_table_has_the_best_rule_first_and_its_worst_model():
    table = regret.regret_table(regret.regrets(TWO, FOUND, lowest))
    assert table["rule"].tolist() == ["mass", "last"]
    assert table["ASR above the oracle's"].tolist() == pytest.approx([4.5, 43.0])
    assert table.loc[1, "worst on"] == "badnets, seed 0"
    assert table["picks the oracle's layer"].tolist() == ["1 of 2", "0 of 2"]


def test_left_out_judges_each_attack_by_the_rule_of_the_others():
    table = pd.DataFrame([("a", "x", 10.0), ("a", "y", 0.0), ("b", "x", 2.0), ("b", "y", 5.0)],
                         columns=["rule", "attack", "asr"]).assign(seed=0)
    # On y rule a is best, so x is judged by a; on x rule b is best, so y is judged by b.
    found = regret.left_out(table).set_index("attack")["asr"]
    assert found.to_dict() == {"x": 10.0, "y": 5.0}


def test_one_attack_leaves_no_other_to_choose_by():
    assert regret.left_out(regret.regrets(TWO[TWO["attack"] == "blend"], FOUND, lowest)).empty


def test_the_figure_has_a_mark_a_model_and_the_means_best_first():
    figure = regret.regret_figure(regret.regrets(TWO, FOUND, lowest), dark=False)
    models, mean = figure.data[:2]
    assert sorted(models.x) == pytest.approx([0.0, 9.0]) and mean.x[0] == pytest.approx(4.5)
    assert figure.layout.yaxis.ticktext[0] == "mass<br><b>+4.5</b>"
    assert figure.layout.yaxis.range[0] > figure.layout.yaxis.range[1]
    assert "mass +4.5; last +43.0" in regret.regret_alt(regret.regrets(TWO, FOUND, lowest))
