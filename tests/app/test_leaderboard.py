"""The leaderboard: aims, ranks, filters, one cell and the way to its run."""

import json
from pathlib import Path

import pytest

from app.widgets.benchmark.benchmark_cell import rate_text, seeds_frame
from app.widgets.benchmark.benchmark_notes import did_not_take, moves_a_benign_model
from app.widgets.benchmark.benchmark_protocol import (
    conditions,
    own_settings,
    received,
    settings,
)
from app.widgets.benchmark.leaderboard_figures import picked
from app.widgets.benchmark.leaderboard_table import PUBLISHED, board_frame, columns, meaning
from ngf_core.attacks import ATTACKS
from ngf_core.evidence import folders
from ngf_core.evidence.aims import defenses_only
from ngf_core.evidence.entrants import ENTRANTS
from ngf_core.evidence.measures import MEASURES, wide
from ngf_core.evidence.rank import ranking
from ngf_core.purify import ANP
from ngf_core.runs import RunStore
from ngf_core.runs.manifest import write_manifest
from tests.support.fabricated_benchmark import cells
from tests.support.fabricated_runs import make_run
from tests.support.pages import address, text_of

FIELD = ("ngf", "sgd", "finetune", "anp", "ablate_auto_layer")
DEFENSES = sum(entrant.group == "defense" for entrant in ENTRANTS.values())
TABLE = cells(("badnets", "blend"), (0, 1, 2), FIELD)


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """Puts a made-up table where the page looks, as if it were the one that ships."""
    monkeypatch.setenv("NGF_BENCHMARK", str(tmp_path))
    monkeypatch.setattr(folders, "TABLES", tmp_path)

    def put(table=TABLE):
        table.to_parquet(tmp_path / "cells.parquet")

    return put


def frames(app):
    return {tuple(frame.value.columns)[:2]: frame.value for frame in app.dataframe}


def board_of(app):
    return frames(app)["Rank", "Defense"]


def ranked(by="der", table=TABLE):
    values = wide(table, by)
    values = values[[n for n in values if n in set(defenses_only(table)["entrant"])]]
    return ranking(values, higher_is_better=MEASURES[by].higher_is_better)


def test_without_a_table_the_command_is_named(tables, open_page):
    app = open_page("leaderboard")
    assert not app.exception and "not been computed yet" in app.info[0].value
    assert "ngf_core benchmark" in app.code[0].value


def test_a_damaged_table_is_a_sentence(tables, open_page, tmp_path):
    (tmp_path / "cells.parquet").write_bytes(b"not a table")
    app = open_page("leaderboard")
    assert not app.exception and "damaged" in app.error[0].value


def test_a_table_of_models_alone_has_no_leaderboard(tables, open_page):
    tables(TABLE[TABLE["group"] == "model"])
    app = open_page("leaderboard")
    assert not app.exception and not app.error and "No cell is finished" in text_of(app)


def test_aims_progress_and_board(tables, open_page):
    tables()
    app = open_page("leaderboard")
    assert not app.exception and not app.error
    said = text_of(app)
    assert "**Open.**] **NGF on the last layer" in said
    assert "On 2 of 14 attacks that is no verdict." in said
    assert "lower ASR than one-layer SGD on every attack" in said
    assert f"24 of {3 * DEFENSES * len(ATTACKS)} cells" in said
    assert f"{len(ATTACKS)} attacks, 3 seeds. The others have not" in said
    board = board_of(app)
    assert list(board["Defense"]) == [*(style_of(n) for n in ranked().index), "No defense",
                                      "Benign"]
    assert "NGF, last layer" not in set(board["Defense"])


def test_a_verdict_on_a_part_of_the_cells_is_one_so_far(tables, open_page):
    left = (TABLE["entrant"] == "ngf") & (TABLE["attack"] == "blend")
    tables(TABLE.assign(asr_hits=TABLE["asr_hits"].mask(left, TABLE["asr_n"])))
    assert "**Missed so far.**] **NGF ends with a lower ASR" in text_of(open_page("leaderboard"))


def style_of(name):
    from app.theme import style

    return style(name).label


def test_a_partial_benchmark_says_so(tables, open_page):
    tables(TABLE[~((TABLE["entrant"] == "anp") & (TABLE["seed"] > 0))])
    app = open_page("leaderboard")
    assert not app.exception
    assert "Some defenses lack cells" in text_of(app)
    assert "20 of " in text_of(app) and "may still change" in text_of(app)
    board = board_of(app).set_index("Defense")
    assert board.loc["ANP", "Cells"] == 2 and board.loc["NGF", "Cells"] == 6


def test_means_over_the_cells_that_all_have(tables, open_page):
    """All that have a rank: fine-tuning, with a single cell, would leave one to all others."""
    last = (TABLE["attack"] == "blend") & (TABLE["seed"] == 2)
    first = (TABLE["attack"] == "badnets") & (TABLE["seed"] == 0)
    gone = TABLE["entrant"].eq("anp") & last | TABLE["entrant"].eq("finetune") & ~first
    table = TABLE[~gone]
    tables(table)
    app = open_page("leaderboard", cells="shared")
    assert not app.exception
    board = board_of(app).set_index("Defense")
    assert board["Cells"].dropna().to_dict() == {"NGF": 5, "SGD": 5, "ANP": 5}
    shared = wide(table, "asr").dropna(subset="anp")
    assert len(shared) == 5
    assert board.loc["NGF", "ASR"] == pytest.approx(100 * shared["ngf"].mean())
    assert board.loc["No defense", "ASR"] == pytest.approx(100 * shared["before"].mean())


def test_a_few_shared_cells_are_no_choice_and_one_lucky_cell_no_front(tables, open_page):
    """ANP and SGD lack a cell each, so that the ranked share 4 of 6; fine-tuning has one cell."""
    made = TABLE.set_index(["entrant", "attack", "seed"]).sort_index()
    made.loc["finetune", "asr_hits"] = 0
    gone = [("finetune", attack, seed) for attack in ("badnets", "blend") for seed in (0, 1, 2)][1:]
    tables(made.drop([("anp", "blend", 2), ("sgd", "blend", 1), *gone]).reset_index())
    app = open_page("leaderboard", cells="shared")
    assert not app.exception and any("shared" in toast.value for toast in app.toast)
    board = board_of(app).set_index("Defense")
    assert board.loc["Fine-tuning", "Rank"] == "" and board["Cells"].dropna().to_dict() == {
        "NGF": 6, "ANP": 5, "SGD": 5, "Fine-tuning": 1}
    caption = text_of(app).partition("Here: ")[2]
    assert "Fine-tuning" not in caption.partition(".")[0] and "not the same for all" in caption


def test_a_front_over_the_same_cells_has_no_reservation(tables, open_page):
    """However few cells a defense without a rank has."""
    tables(TABLE[(TABLE["entrant"] != "finetune") | (TABLE["seed"] == 0)])
    app = open_page("leaderboard")
    assert "Some defenses lack cells" in text_of(app)
    assert "not the same for all" not in text_of(app).partition("Here: ")[2]


def test_tables_of_ones_own_are_not_measured_against_the_plan(tables, open_page, monkeypatch):
    tables()
    monkeypatch.setattr(folders, "TABLES", Path("elsewhere"))
    assert "24 cells: 4 defenses, 2 attacks, 3 seeds." in text_of(open_page("leaderboard"))


def test_models_that_are_not_there_are_told(tables, open_page):
    tables()
    app = open_page("leaderboard", models="fresh")
    assert not app.exception and any("fresh" in toast.value for toast in app.toast)


def test_a_whole_benchmark_has_no_reservation(tables, open_page):
    tables(cells(seeds=(0,)))
    said = text_of(open_page("leaderboard"))
    of = DEFENSES * len(ATTACKS)
    assert f"{of} cells: " in said and " 1 seed." in said
    assert "Met." in said and "so far" not in said
    assert "may still change" not in said and "Some defenses lack cells" not in said


def test_one_single_cell_can_be_shown(tables, open_page):
    rows = (TABLE["seed"] == 0) & TABLE["attack"].isin(["badnets", "none"])
    tables(TABLE[rows & TABLE["entrant"].isin(["before", "benign", "ngf"])])
    app = open_page("leaderboard")
    assert not app.exception and not app.error
    assert board_of(app)["95 % interval"][0] == ""


def test_rank_by_another_measure_from_the_address(tables, open_page):
    tables()
    app = open_page("leaderboard", by="cpu_seconds")
    board = board_of(app)
    assert list(board)[2] == "Seconds" and board["Seconds"].dropna().is_monotonic_increasing
    assert board["Defense"][0] == "SGD" and address(app, "by") == "cpu_seconds"


def test_filters_of_attacks_and_seeds_move_the_means(tables, open_page):
    tables()
    app = open_page("leaderboard", attacks="blend", seeds="1")
    assert not app.exception
    board = board_of(app).set_index("Defense")
    assert board.loc["NGF", "Cells"] == 1
    assert board.loc["NGF", "ASR"] == pytest.approx(100 * wide(TABLE, "asr").loc[("blend", 1),
                                                                                "ngf"])


def test_cells_of_models_alone_are_no_leaderboard(tables, open_page):
    """Seed 2 has the backdoored and the benign model and no defense yet."""
    tables(TABLE[(TABLE["seed"] < 2) | ~TABLE["group"].isin(["defense", "ablation"])])
    app = open_page("leaderboard", seeds="2")
    assert not app.exception and "No cell fits these filters" in app.info[0].value
    assert ("Rank", "Defense") not in frames(app)


def test_a_measure_that_nobody_has_is_said(tables, open_page):
    tables(TABLE.assign(lambda_max=float("nan")))
    app = open_page("leaderboard", by="lambda_max")
    assert not app.exception and "No defense has its λ_max measured" in app.info[0].value
    assert ("Rank", "Defense") not in frames(app)


def test_the_filter_of_defenses_hides_but_ranks_among_all(tables, open_page):
    tables()
    everyone = board_of(open_page("leaderboard")).set_index("Defense")
    few = board_of(open_page("leaderboard", defenses="anp")).set_index("Defense")
    assert list(few.index) == ["ANP", "No defense", "Benign"]
    assert few.loc["ANP", "Rank"] == everyone.loc["ANP", "Rank"] != " 1"


def test_filters_that_leave_nothing_say_so(tables, open_page):
    table = TABLE[~((TABLE["attack"] == "blend") & (TABLE["seed"] == 2))]
    tables(table)
    app = open_page("leaderboard", attacks="blend", seeds="2")
    assert not app.exception and "No cell fits" in text_of(app)


def test_ours_and_theirs_stand_apart():
    board = board_frame(TABLE, ranked(), "der", ["badnets", "blend"]).set_index("Defense")
    assert board.loc["ANP", "Published ASR"] == pytest.approx((4.87 + 4.77) / 2)
    assert "CIFAR10" in board.loc["ANP", "Published in"] and "2 attacks" in board.loc[
        "ANP", "Published in"]
    assert board.loc[["NGF", "SGD"], list(PUBLISHED)].isna().all(axis=None)
    mine = wide(TABLE, "asr")["anp"].mean()
    assert board.loc["ANP", "ASR"] == pytest.approx(100 * mine)


@pytest.mark.parametrize("by", MEASURES)
def test_every_measure_can_rank_and_is_explained(by):
    board = board_frame(TABLE, ranked(by), by, ["badnets"])
    assert list(board) == columns(by) and len(set(columns(by))) == len(columns(by))
    assert len(meaning(MEASURES[by].title)) > 40


def test_a_cell_shows_its_seeds_and_its_command(tables, open_page, runs):
    tables()
    app = open_page("leaderboard", cell_attack="blend", cell_defense="sgd")
    assert not app.exception
    seeds = frames(app)["seed", "DER"]
    assert list(seeds["seed"]) == [0, 1, 2] and "n = 900" in seeds["ASR"][0]
    shown = [code.value for code in app.code]
    assert all(code.startswith("OMP_NUM_THREADS=1 python ") for code in shown if "-m" in code
               and "benchmark" not in code)
    assert any("signs-blend-s0-train --methods sgd" in code for code in shown)
    assert any("train --attack blend --seed 0" in code for code in shown)  # the model is not here
    assert not [button for button in app.button if button.key == "cell_race"]


def test_a_cell_that_is_missing_says_so(tables, open_page):
    tables(TABLE[~((TABLE["entrant"] == "sgd") & (TABLE["attack"] == "blend"))])
    app = open_page("leaderboard", cell_attack="blend", cell_defense="sgd")
    assert not app.exception and "SGD on Blend has not been computed yet" in text_of(app)


def named(store, run_id, kind, **fields):
    """A fabricated finished run under an id of the benchmark's."""
    run = make_run(store, kind, **fields)
    write_manifest(run.path, json.loads(json.dumps(run.manifest).replace(run.id, run_id)))
    run.path.rename(store.root / run_id)
    return store.get(run_id)


def test_with_its_model_here_the_race_form_is_filled_in(tables, open_page, runs, started):
    named(runs, "signs-blend-s0-train", "train", attack="blend")
    tables()
    app = open_page("leaderboard", cell_attack="blend", cell_defense="anp")
    app.button(key="cell_race").click().run()
    assert not app.exception and app.title[0].value == "Race"
    assert address(app, "source") == "signs-blend-s0-train"
    app.switch_page("app/views/race.py")  # AppTest itself stays on the page it was told
    app.run()
    app.button(key="start_race").click().run()
    config, = started
    assert config.methods == (ANP(),) and config.source == "signs-blend-s0-train"
    assert config.batch_size == 128 and config.sharpness == "off" and config.steps == 100


@pytest.mark.parametrize("folder", ["", "benchmark"])
def test_its_run_is_linked_and_opens_as_a_race(tables, open_page, runs, folder):
    """Whether it is among the runs, or where the benchmark keeps its own."""
    place = RunStore(runs.root / folder)
    source = named(place, "signs-blend-s0-train", "train", attack="blend")
    run = named(place, "signs-blend-s0-sgd", "purify", source=source.id, methods=("sgd",))
    make_run(runs, "purify")
    tables()
    app = open_page("leaderboard", cell_attack="blend", cell_defense="sgd")
    assert not app.exception
    assert "Open its run" in [link.proto.label for link in app.get("page_link")]
    race = open_page("race", run=run.id)
    assert not race.exception and address(race, "run") == run.id
    assert not race.info and "SGD" in text_of(race)


def test_a_rate_says_its_interval_and_n():
    row = {"asr_hits": 9, "asr_n": 900, "ra_hits": None, "ra_n": None, "acc_hits": 0, "acc_n": 0}
    assert rate_text(row, "asr") == "1.0 % (0.5 to 1.9), n = 900"
    assert rate_text(row, "ra") is None and rate_text(row, "acc") == "undefined, n = 0"


def test_seeds_of_a_model_that_was_not_measured():
    rows = defenses_only(TABLE).head(1).assign(lambda_max=float("nan"), tuned=None)
    frame = seeds_frame(rows)
    assert frame["λ_max"][0] is None and frame["tuned weights"][0] is None


def test_what_was_clicked():
    event = {"selection": {"points": [{"customdata": ["blend", "ngf", "95.0"]}]}}
    assert picked(event) == ("blend", "ngf")
    assert picked({"selection": {"points": []}}) is None and picked(None) is None
    assert picked({"selection": {"points": [{"x": 1}]}}) is None


def test_the_protocol_is_read_off_the_table():
    trained = TABLE["group"].eq("model") & TABLE["command"].ne("")
    limited = TABLE.assign(command=TABLE["command"].mask(
        trained, "ngf train --limit 500 --epochs 8"))
    told = conditions(limited).set_index("condition")["value"]
    assert told["training"] == "500 images per class, 8 epochs"
    assert told["batch size"] == "128" and told["steps"] == "100" and told["augment"] == "strong"
    assert told["attacks"] == "2" and told["seeds"] == "0, 1, 2"
    assert told["clean test images"] == "1,000" and told["triggered test images"] == "900"
    mixed = TABLE.copy()
    row = mixed.index[mixed["entrant"] == "anp"][0]
    mixed.loc[row, "command"] += " --steps 7"
    assert conditions(mixed).set_index("condition")["value"]["steps"] == "100, 7"


def test_what_a_defense_does_apart_is_told():
    table = TABLE.copy()
    ngf = " --layer auto --ngf.kl-bound 0.2 --ngf.tenths"
    table.loc[table["entrant"] == "ngf", "command"] += ngf
    table.loc[table["entrant"] == "anp", "stopped"] = "Stopped."
    table.loc[table["entrant"] == "anp", "command"] += " --anp.lr 0.2"
    own = own_settings(table).set_index("defense")
    assert own.loc["NGF", "own settings"] == "layer auto, kl_bound 0.2, tenths"
    assert own.loc["NGF", "tuned"] == "blocks.2.conv1 (6)"
    assert own.loc["ANP", "own settings"] == "lr 0.2"
    assert own.loc["ANP", "stopped early"] == 6 and own.loc["SGD", "stopped early"] == 0


def test_attacks_that_did_not_take_are_told():
    table = TABLE.copy()
    weak = (table["entrant"] == "before") & (table["attack"] == "blend") & (table["seed"] == 0)
    table.loc[weak, "asr_hits"] = 90
    implanted = received(table).set_index("attack").iloc[:, -1]
    assert implanted["BadNets"] == 3 and implanted["Blend"] == 2
    assert did_not_take(table) == ["Blend (seed 0: 10.0 %)"] and did_not_take(TABLE) == []


def test_triggers_that_move_a_benign_model_are_told(tables, open_page):
    table = TABLE.copy()
    rows = (table["entrant"] == "benign") & (table["attack"] == "blend")
    table.loc[rows, "asr_n"] = 1000
    table.loc[rows & (table["seed"] == 1), "asr_hits"] = 101
    table.loc[rows & (table["seed"] != 1), "asr_hits"] = 100  # the limit itself is none too many
    assert moves_a_benign_model(table) == ["Blend (seed 1: 10.1 %)"]
    assert moves_a_benign_model(table[table["entrant"] != "benign"]) == []
    tables(table)
    told = text_of(open_page("leaderboard"))
    assert "more than 10 % of the images: Blend (seed 1: 10.1 %)." in told


def test_settings_of_a_command():
    assert settings("python -m ngf_core purify a --methods ngf sgd --batch-size 128 "
                    "--ngf.kl-bound 1") == {
        "methods": "ngf sgd", "batch_size": "128", "ngf.kl_bound": "1"}


def test_tables_of_fresh_seeds_can_be_chosen(tables, tmp_path, open_page):
    tables()
    assert not any(one.label == "Models" for one in open_page("leaderboard").selectbox)
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    cells(("badnets",), (3, 4), ("ngf", "sgd", "finetune")).to_parquet(fresh / "cells.parquet")
    (fresh / "protocol.json").write_text(json.dumps(
        {"dataset": "signs", "arch": "preact_resnet18_w16", "seeds": [3, 4],
         "command": "compute the fresh ones"}))
    app = open_page("leaderboard")
    models = next(one for one in app.selectbox if one.label == "Models")
    assert models.options[1] == "Signs, 0.7 million weights, fresh seeds 3, 4"
    assert set(board_of(app)["Defense"]) >= {"ANP"}
    app = open_page("leaderboard", models="fresh")
    assert not app.exception and "ANP" not in set(board_of(app)["Defense"])
    assert any(code.value == "compute the fresh ones" for code in app.code)
    assert address(app, "models") == "fresh"
    assert "6 cells: 3 defenses, 1 attack, 2 seeds." in text_of(app)
    assert "so far" not in text_of(app)
    (fresh / "protocol.json").write_text("{")
    app = open_page("leaderboard", models="fresh")
    assert "Not known: the protocol of these tables is missing or damaged." in text_of(app)
    assert not any("ngf_core benchmark" in code.value for code in app.code)
    assert not app.exception and not app.error
    assert next(one for one in app.selectbox if one.label == "Models").options[1] == "fresh"


@pytest.mark.parametrize("seeds, caution", [
    ([0], ["One seed:"]), ([0, 1], ["Two seeds:"]), ([0, 1, 2], [])])
def test_a_caution_stands_over_tables_of_few_seeds(seeds, caution, tables, tmp_path, open_page):
    tables()
    (tmp_path / "protocol.json").write_text(json.dumps(
        {"dataset": "signs", "arch": "preact_resnet18_w16", "seeds": seeds, "command": "compute"}))
    said = text_of(open_page("leaderboard"))
    assert [word for word in ("One seed:", "Two seeds:") if word in said] == caution


def test_without_a_published_figure_there_are_no_columns_for_them(tables, open_page):
    tables(TABLE[TABLE["entrant"].isin(["before", "benign", "ngf", "sgd"])])
    app = open_page("leaderboard")
    assert not app.exception and not set(PUBLISHED) & set(board_of(app))
    assert "what papers report" not in text_of(app)
    tables()
    app = open_page("leaderboard")
    assert set(PUBLISHED) <= set(board_of(app)) and "what papers report" in text_of(app)
