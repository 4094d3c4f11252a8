"""What is kept of tables that were made before, case by case on made-up ones."""

import pandas as pd
import pytest

from ngf_core.benchmark.earlier import (
    COUNTS,
    ROW,
    SHARPNESS,
    completed_cells,
    completed_claim,
    completed_path,
)
from ngf_core.benchmark.entrants import ENTRANTS
from ngf_core.benchmark.measures import CELL
from ngf_core.cli import command_line
from ngf_core.errors import NGFError
from tests.core.benchmark import made_up

NAMES = ("ngf", "clp", "ablate_regulariser")


def table(seeds=(0, 1), entrants=NAMES, layer: str = "stem", draw: int = 0) -> pd.DataFrame:
    """Made-up cells with the commands of today, NGF having chosen `layer`."""
    found = made_up.cells(["badnets", "blend"], seeds, entrants, draw)
    layered = found.entrant.isin(["ngf", "ablate_regulariser"])
    found["layer"] = found["layer"].where(~layered, layer)
    for i, row in found[found.group != "model"].iterrows():
        config = ENTRANTS[row.entrant].config(f"signs-{row.attack}-s{row.seed}-train", row.seed,
                                              row.layer)
        found.loc[i, "command"] = command_line(config)
    return found


def rows(found: pd.DataFrame) -> set[tuple[str, int, str]]:
    return set(map(tuple, found[ROW].itertuples(index=False)))


def only(found: pd.DataFrame, **wanted: object) -> pd.Series:
    for name, value in wanted.items():
        found = found[found[name] == value]
    assert len(found) == 1
    return found.iloc[0]


def test_nothing_new_keeps_everything_as_it_is():
    earlier = table()
    kept = completed_cells(earlier.iloc[:0], earlier)
    pd.testing.assert_frame_equal(kept.sort_values(ROW, ignore_index=True),
                                  earlier.sort_values(ROW, ignore_index=True))


def test_another_seed_is_added_and_the_order_is_that_of_the_registries():
    kept = completed_cells(table(seeds=(0,)), table(seeds=(1,)))
    assert rows(kept) == rows(table())
    assert list(kept.seed) == sorted(kept.seed) and not kept.duplicated(ROW).any()
    whole = completed_cells(table().iloc[:0], table())
    assert list(kept[ROW].itertuples(index=False)) == list(whole[ROW].itertuples(index=False))
    assert list(whole[whole.seed == 0].entrant.unique()) == ["benign", "before", *NAMES]
    assert kept.dtypes.equals(table().dtypes)


def test_a_new_run_of_the_same_model_takes_the_place_of_its_row_alone():
    earlier, new = table(), table(seeds=(0,), entrants=("clp",))
    mine = new.entrant == "clp"
    new.loc[mine, "asr_hits"] = 7
    kept = completed_cells(new, earlier)
    assert rows(kept) == rows(earlier)
    assert only(kept, attack="blend", seed=0, entrant="clp").asr_hits == 7
    old = only(earlier, attack="blend", seed=0, entrant="ngf").asr_hits
    assert only(kept, attack="blend", seed=0, entrant="ngf").asr_hits == old


def test_cells_of_another_model_are_gone():
    earlier, new = table(), table(seeds=(0,), entrants=())
    changed = (new.attack == "blend") & (new.entrant == "before")
    new.loc[changed, "acc_hits"] = new.loc[changed, "acc_hits"] - 1
    kept = completed_cells(new, earlier)
    gone = rows(earlier) - rows(kept)
    assert gone == {("blend", 0, name) for name in NAMES}


def test_cells_of_other_settings_or_of_no_entrant_are_gone():
    earlier = table()
    earlier.loc[earlier.entrant == "clp", "command"] += " --steps 7"
    earlier.loc[earlier.entrant == "ngf", "entrant"] = "prayer"
    kept = completed_cells(earlier.iloc[:0], earlier)
    assert set(kept.entrant) == {"benign", "before"}


def test_an_ablation_on_a_layer_that_ngf_no_longer_chooses_is_gone():
    kept = completed_cells(table(seeds=(0,), entrants=("ngf",), layer="linear"), table())
    assert ("blend", 0, "ablate_regulariser") not in rows(kept)
    assert ("blend", 1, "ablate_regulariser") in rows(kept)


def test_sharpness_is_taken_over_for_the_same_model_only():
    earlier, new = table(), table(seeds=(0,))
    new[SHARPNESS] = float("nan")
    other = (new.attack == "blend") & (new.entrant == "ngf")
    new.loc[other, "asr_hits"] = new.loc[other, "asr_hits"] + 1
    kept = completed_cells(new, earlier).set_index(ROW)
    was = earlier.set_index(ROW)
    assert pd.isna(kept.loc[("blend", 0, "ngf"), "lambda_max"])
    for key in (("badnets", 0, "ngf"), ("none", 0, "benign"), ("blend", 0, "before")):
        assert list(kept.loc[key, SHARPNESS]) == list(was.loc[key, SHARPNESS])


def test_tables_of_another_architecture_are_refused():
    with pytest.raises(NGFError, match="of another data set or architecture.*--tables"):
        completed_cells(table(seeds=(0,)).assign(arch="mini_vgg"), table())


def claim_of(cells: pd.DataFrame) -> pd.DataFrame:
    """A claim table about the models of `cells`."""
    found = []
    chosen = cells[cells.entrant == "ngf"].set_index(CELL).layer.to_dict()
    for row in cells[cells.entrant.isin(["benign", "before", "ngf"])].itertuples():
        if row.attack == "none":
            continue
        for parameters in ("all", "layer"):
            found.append({"attack": row.attack, "seed": row.seed,
                          "model": {"before": "backdoored"}.get(row.entrant, row.entrant),
                          "images": "held_out", "parameters": parameters, "measure": "trace",
                          "value": 1.0, "layer": chosen.get((row.attack, row.seed), ""),
                          "asr": row.asr_hits / row.asr_n, "acc": row.acc_hits / row.acc_n})
    return pd.DataFrame(found)


def test_the_claim_is_kept_where_it_is_about_the_models_there_are():
    cells = table()
    claim = claim_of(cells)
    assert len(completed_claim(claim.iloc[:0], claim, cells)) == len(claim) == 2 * 2 * 3 * 2
    fresh = claim[(claim.seed == 0) & (claim.model == "ngf")].assign(value=2.0)
    kept = completed_claim(fresh, claim, cells)
    assert len(kept) == len(claim) and sorted(kept.value)[-5:] == [1.0, 2.0, 2.0, 2.0, 2.0]
    cells.loc[(cells.attack == "blend") & (cells.seed == 0) & (cells.entrant == "ngf"),
              COUNTS[2]] += 1
    kept = completed_claim(claim.iloc[:0], claim, cells)
    assert len(kept) == len(claim) - 2
    assert not ((kept.attack == "blend") & (kept.seed == 0) & (kept.model == "ngf")).any()


def test_the_claim_in_a_layer_that_ngf_no_longer_chooses_is_gone():
    claim, moved = claim_of(table()), table(layer="linear")
    kept = completed_claim(claim.iloc[:0], claim, moved)
    assert set(kept.parameters) == {"all"} and len(kept) == len(claim) / 2


def test_a_path_is_kept_where_it_ends_at_the_model_there_is():
    cells = table()
    ends = cells[cells.entrant == "ngf"]
    path = pd.DataFrame([{"attack": row.attack, "seed": row.seed, "entrant": "ngf", "step": step,
                          "acc": row.acc_hits / row.acc_n + away,
                          "asr": row.asr_hits / row.asr_n + away}
                         for row in ends.itertuples() for step, away in ((0, 0.5), (100, 0.0))])
    assert len(completed_path(path.iloc[:0], path, cells)) == len(path) == 8
    new = path[path.seed == 1].assign(asr=0.0)
    assert sorted(completed_path(new, path, cells).asr)[:4] == [0.0] * 4
    cells.loc[ends.index[0], "acc_hits"] -= 1
    assert len(completed_path(path.iloc[:0], path, cells)) == len(path) - 2
