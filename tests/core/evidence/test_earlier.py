"""What is kept of tables that were made before, case by case on made-up ones."""

import numpy as np
import pandas as pd
import pytest

from ngf_core.attacks.attack import attack_class
from ngf_core.errors import NGFError
from ngf_core.evidence import TABLES, load
from ngf_core.evidence.earlier import KEYS, SHARPNESS, completed, completed_cells, lost, with_claim
from ngf_core.evidence.entrants import CONDITIONS, ENTRANTS
from tests.support import fabricated_benchmark

NAMES = ("ngf", "clp", "ablate_regulariser")
ROW = KEYS["cells"]


def table(seeds=(0, 1), entrants=NAMES, attacks=("badnets", "blend"), draw: int = 0):
    return fabricated_benchmark.cells(attacks, seeds, entrants, draw)


def keys(found: pd.DataFrame, name: str = "cells") -> list[tuple]:
    return list(found[KEYS[name]].itertuples(index=False, name=None))


def where(found: pd.DataFrame, attack: str, seed: int, entrant: str) -> pd.Series:
    return (found.attack == attack) & (found.seed == seed) & (found.entrant == entrant)


def test_nothing_new_keeps_everything_as_it_is():
    there = table()
    kept = completed_cells(there.iloc[:0], there.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(kept.set_index(ROW).loc[keys(there)].reset_index()[list(there)],
                                  there)
    again = completed_cells(kept.iloc[:0], kept)
    pd.testing.assert_frame_equal(again, kept)
    assert completed_cells(there.iloc[:0], there.iloc[:0]).empty


def test_rows_lie_in_the_order_of_the_registries_whatever_order_they_came_in():
    one, two = table(seeds=(0,)), table(seeds=(1,)).sample(frac=1, random_state=1)
    kept = completed_cells(one.sample(frac=1, random_state=2), two)
    models = [("none", "benign"), ("badnets", "before"), ("badnets", "benign"),
              ("blend", "before"), ("blend", "benign")]
    purified = [(attack, name) for name in ("ngf", "clp", "ablate_regulariser")
                for attack in ("badnets", "blend")]
    assert keys(kept) == [(attack, seed, name) for seed in (0, 1)
                          for attack, name in models + purified]
    assert kept.dtypes.equals(one.dtypes)


def test_a_new_run_takes_the_place_of_its_row_alone():
    new = table(seeds=(0,), entrants=("clp",))
    mine = where(new, "blend", 0, "clp")
    new.loc[mine, "asr_hits"], new.loc[mine, "weights"] = 7, "another"
    kept = completed_cells(new, table())
    assert set(keys(kept)) == set(keys(table())) and not kept.duplicated(ROW).any()
    assert kept[where(kept, "blend", 0, "clp")].asr_hits.item() == 7
    assert kept[where(kept, "blend", 0, "ngf")].asr_hits.item() == \
        table()[where(table(), "blend", 0, "ngf")].asr_hits.item()


def test_what_comes_from_another_backdoored_model_is_gone():
    new = table(seeds=(0,), entrants=(), attacks=("blend",))
    new.loc[where(new, "blend", 0, "before"), "weights"] = "another"
    new = new[new.attack == "blend"]
    new = new[new.entrant == "before"]
    kept = completed_cells(new, table())
    gone = set(keys(table())) - set(keys(kept))
    assert gone == {("blend", 0, name) for name in ("benign", *NAMES)}
    told = lost({"cells": kept}, {"cells": table()})
    assert told == [f"signs-blend-s0-{name}" for name in NAMES]


def test_a_benign_model_made_anew_takes_the_floors_with_it():
    new = table(seeds=(0,), entrants=())
    new = new[new.attack == "none"].assign(weights="another")
    kept = completed_cells(new, table())
    assert set(keys(table())) - set(keys(kept)) == {("badnets", 0, "benign"),
                                                    ("blend", 0, "benign")}


def test_purified_rows_without_a_backdoored_model_are_gone():
    there = table()
    kept = completed_cells(there.iloc[:0], there[there.entrant != "before"])
    assert set(kept.entrant) == {"benign"} and set(kept.attack) == {"none"}


def test_cells_of_other_settings_are_gone(monkeypatch):
    there = table()
    monkeypatch.setitem(CONDITIONS, "steps", 7)
    assert set(completed_cells(there.iloc[:0], there).entrant) == {"benign", "before"}


def test_models_of_another_strength_are_gone_and_all_that_comes_of_them(monkeypatch):
    there, blend = table(), attack_class("blend")
    monkeypatch.setattr(blend, "strengths", blend.strengths | {"default": {"alpha": 0.5}})
    assert set(completed_cells(there.iloc[:0], there).attack) == {"none", "badnets"}


def test_attacks_and_entrants_that_are_no_more_are_gone():
    there = table()
    there.loc[there.attack == "blend", "attack"] = "blended"
    there.loc[there.entrant == "clp", "entrant"] = "prayer"
    kept = completed_cells(there.iloc[:0], there)
    assert set(kept.attack) == {"none", "badnets"} and "prayer" not in set(kept.entrant)


@pytest.mark.parametrize("change", [{"layer": "linear"}, {"settings": "other"}])
def test_a_control_is_gone_with_the_choice_it_was_made_on(change):
    there = table(entrants=("ablate_auto_layer", "sgd_auto_layer"))
    mine = where(there, "blend", 0, "ablate_auto_layer")
    for name, value in change.items():
        there.loc[mine, name] = value
    kept = completed_cells(there.iloc[:0], there)
    assert ("blend", 0, "sgd_auto_layer") not in keys(kept)
    assert ("blend", 1, "sgd_auto_layer") in keys(kept)


def test_sharpness_is_taken_over_where_it_is_missing_and_of_the_same_weights():
    there, new = table(), table(seeds=(0,), draw=1)
    bare = new.attack != "badnets"
    new.loc[bare, SHARPNESS] = np.nan
    new.loc[where(new, "blend", 0, "ngf"), "weights"] = "another"
    kept, was = (found.set_index(ROW) for found in (completed_cells(new, there), there))
    for key in (("none", 0, "benign"), ("blend", 0, "before"), ("blend", 0, "clp")):
        assert list(kept.loc[key, SHARPNESS]) == list(was.loc[key, SHARPNESS])
    for key in (("blend", 0, "ngf"), ("blend", 0, "benign")):
        assert kept.loc[[key], SHARPNESS].isna().all(axis=None)
    mine = new.set_index(ROW).loc[("badnets", 0, "clp"), SHARPNESS]
    assert list(kept.loc[("badnets", 0, "clp"), SHARPNESS]) == list(mine)


def test_weights_that_are_not_known_give_nothing_away():
    there, new = table().assign(weights=""), table(entrants=()).assign(weights="")
    new[SHARPNESS] = np.nan
    assert completed_cells(new, there).lambda_max.isna().all()


@pytest.mark.parametrize("name", KEYS)
def test_tables_that_are_none_are_told(name):
    frames = {"cells": table(), "claim": claim_of(table()), "path": path_of(table())}
    there = frames[name]

    def complete(found: pd.DataFrame) -> pd.DataFrame:
        return completed_cells(there, found) if name == "cells" else \
            completed(name, there, found, frames["cells"])

    with pytest.raises(NGFError, match=f"{name}.parquet has no column weights"):
        complete(there.drop(columns="weights"))
    with pytest.raises(NGFError, match=f"{name}.parquet has a row twice"):
        complete(pd.concat([there, there.iloc[:1]]))


def claim_of(cells: pd.DataFrame) -> pd.DataFrame:
    """A claim table about the models of `cells`."""
    rows = cells[cells.entrant.isin(["benign", "before", "ngf"]) & (cells.attack != "none")]
    return pd.DataFrame([
        {"attack": row.attack, "seed": row.seed,
         "model": {"before": "backdoored"}.get(row.entrant, row.entrant), "images": images,
         "parameters": parameters, "measure": measure, "value": 1.0,
         "layer": fabricated_benchmark.LAYER, "weights": row.weights}
        for row in rows.itertuples() for images in ("held_out", "defender")
        for parameters in ("all", "layer") for measure in ("trace", "lambda_max")])


def path_of(cells: pd.DataFrame) -> pd.DataFrame:
    """A path table that ends at the models of `cells`."""
    return pd.DataFrame([{"attack": row.attack, "seed": row.seed, "entrant": "ngf", "step": step,
                          "asr": 0.5, "weights": row.weights}
                         for row in cells[cells.entrant == "ngf"].itertuples()
                         for step in (0, 50, 100)])


@pytest.mark.parametrize(("name", "make"), [("claim", claim_of), ("path", path_of)])
def test_what_is_about_the_models_there_are_is_kept_once(name, make):
    cells = table()
    there = make(cells)
    pd.testing.assert_frame_equal(completed(name, there.iloc[:0], there, cells), there)
    fresh = there[(there.seed == 0)].sample(frac=0.5, random_state=0)
    value = "value" if name == "claim" else "asr"
    kept = completed(name, fresh.assign(**{value: 2.0}), there, cells)
    assert sorted(keys(kept, name)) == sorted(keys(there, name))
    assert (kept[value] == 2.0).sum() == len(fresh) > 0


@pytest.mark.parametrize(("name", "make"), [("claim", claim_of), ("path", path_of)])
def test_what_is_about_another_model_is_gone(name, make):
    cells = table()
    there = make(cells)
    cells.loc[where(cells, "blend", 0, "ngf"), "weights"] = "another"
    kept = completed(name, there.iloc[:0], there, cells)
    gone = set(keys(there, name)) - set(keys(kept, name))
    mine = there[(there.attack == "blend") & (there.seed == 0)
                 & (there["model" if name == "claim" else "entrant"] == "ngf")]
    assert gone == set(keys(mine, name))


def test_the_claim_in_a_layer_that_ngf_does_not_choose_any_more_is_gone():
    cells = table()
    there = claim_of(cells)
    cells.loc[where(cells, "blend", 0, "ngf"), "layer"] = "linear"
    kept = completed("claim", there.iloc[:0], there, cells)
    gone = there[~there.index.isin(kept.index)]
    assert len(gone) == 3 * 2 * 2 and len(kept) == len(there) - len(gone)
    moved = kept[(kept.attack == "blend") & (kept.seed == 0)]
    assert set(moved.parameters) == {"all"}


def test_the_real_tables_are_of_todays_settings():
    """Else its commands make something else; `python -m ngf_core benchmark` makes them anew."""
    there = {name: load(name, TABLES) for name in KEYS}
    cells = completed_cells(there["cells"].iloc[:0], there["cells"])
    assert lost({"cells": cells}, there) == [] and len(cells) == len(there["cells"])
    for name in ("path", "claim"):
        kept = completed(name, there[name].iloc[:0], there[name], cells)
        assert len(kept) == len(there[name])
    assert set(cells.entrant) - {"benign", "before"} <= set(ENTRANTS)


def sharp_claim(cells: pd.DataFrame) -> pd.DataFrame:
    """`claim_of` with another figure in every row."""
    rows = claim_of(cells)
    return rows.assign(value=np.arange(len(rows)) + 1.0, computation_error=-np.arange(len(rows)))


def test_cells_take_the_claims_figures_of_their_own_model():
    cells = table().assign(**dict.fromkeys(SHARPNESS, np.nan))
    claim = sharp_claim(cells)
    filled = with_claim(cells, claim).set_index(ROW)
    mine = claim[(claim.images == "held_out") & (claim.parameters == "all")]
    for row in mine.itertuples():
        if row.model == "benign":
            continue
        entrant = {"backdoored": "before"}.get(row.model, row.model)
        key = (row.attack, row.seed, entrant)
        assert filled.loc[key, row.measure] == row.value
        assert filled.loc[key, f"{row.measure}_error"] == row.computation_error
    # A benign model has its figures once, in its row without a trigger.
    assert filled.loc[("none", 0, "benign"), SHARPNESS].notna().all()
    assert filled.loc[("blend", 0, "benign"), SHARPNESS].isna().all()
    assert filled.loc[("blend", 0, "clp"), SHARPNESS].isna().all()


def test_cells_that_have_figures_keep_them():
    cells = table()
    pd.testing.assert_frame_equal(with_claim(cells, sharp_claim(cells)), cells)


def test_the_pages_show_one_figure_for_one_quantity():
    """The real tables: λ_max and trace of the Leaderboard are those of the Sharpness claim."""
    cells, claim = load("cells", TABLES), load("claim", TABLES)
    claim = claim[(claim.images == "held_out") & (claim.parameters == "all")]
    wanted = claim.assign(entrant=claim.model.replace("backdoored", "before"))
    wanted = wanted[wanted.measure.isin(["lambda_max", "trace"]) & (wanted.model != "benign")]
    known = cells.set_index(ROW)
    models = len(wanted) // 2
    assert models >= 36 and len(wanted) == 2 * models
    for row in wanted.itertuples():
        assert known.loc[(row.attack, row.seed, row.entrant), row.measure] == row.value
    # No other figure: those of another setting would stand under the same name.
    benign = cells[(cells.entrant == "benign") & (cells.attack == "none")]
    measured = cells[cells.lambda_max.notna()]
    assert set(measured.weights) == {*wanted.weights, *benign.weights}
    assert (measured.groupby("weights").lambda_max.nunique() == 1).all()
