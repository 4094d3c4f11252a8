"""Layers: a finished map, a live one, ended ones, the form, the rules and the way to a race."""

import json
from pathlib import Path

import pandas as pd
import pytest

from app.widgets.layers.layer_rules import rule_measures
from ngf_core.config import LayersConfig
from tests.support.fabricated_runs import make_run
from tests.support.pages import address, text_of


@pytest.fixture(autouse=True)
def tables(tmp_path, monkeypatch) -> Path:
    """The folder of the benchmark's tables: empty, whatever ships."""
    monkeypatch.setenv("NGF_BENCHMARK", str(tmp_path))
    return tmp_path


def table(app, column: str):
    return next(frame.value for frame in app.dataframe if column in frame.value)


def test_no_model_yet(open_page, started) -> None:
    app = open_page("layers")
    assert not app.exception and "Train one first" in text_of(app)


def test_a_map_opens_with_its_sentence(runs, open_page, started) -> None:
    make_run(runs, "layers")
    app = open_page("layers")
    assert not app.exception and not app.error
    said = text_of(app)
    assert "NGF removes this backdoor best at **blocks.2.conv1**: ASR 3.0 % (95 % interval" in said
    assert "The last layer, **linear**: ASR 45.0 %" in said
    assert "took 9 s, 2.5 times the processor time of one full fine-tuning of as many steps" in said


def test_the_figure_has_the_layers_in_order_and_the_picks(runs, open_page, started) -> None:
    make_run(runs, "layers")
    (chart,) = open_page("layers").get("plotly_chart")
    figure = json.loads(chart.proto.spec)
    assert figure["layout"]["xaxis"]["categoryarray"] == ["stem", "blocks.2.conv1", "linear"]
    assert any("Oracle" in text for text in figure["data"][-1]["text"])


def test_the_rules_stand_beside_the_oracle(runs, open_page, started) -> None:
    make_run(runs, "layers")
    app = open_page("layers")
    rules = table(app, "picked by").set_index("picked by")
    assert rules.loc["Oracle (knows the attack)", "layer"] == "blocks.2.conv1"
    assert rules.index[1] == "Spectrum ratio (auto)"
    assert rules.loc["Sensitivity", "layer"] == "linear"
    assert rules.loc["Sensitivity", "ASR above the oracle's"] == "+42.0 points"
    assert rules.loc["Sensitivity", "ASR"].startswith("45.0 % (41.8 to 48.3 %, n = 900)")
    assert "- **Sensitivity**: How much the loss on held-out clean images rises" in text_of(app)


def test_a_benign_model_has_no_oracle(runs, open_page, started) -> None:
    make_run(runs, "layers", source=make_run(runs, "train", attack="none").id)
    app = open_page("layers")
    assert not app.exception and not app.error
    assert "This model is benign" in text_of(app)
    rules = table(app, "picked by")
    assert "Oracle (knows the attack)" not in set(rules["picked by"])
    assert set(rules["ASR"]) == {"not measured"}


def test_a_live_map_fills_and_can_be_cancelled(runs, open_page, started) -> None:
    run = make_run(runs, "layers", state="running")
    app = open_page("layers", run=run.id)
    assert not app.exception and not app.error
    assert len(app.get("echarts_chart")) == 1 and not app.get("plotly_chart")
    assert any("Layers running" in c.value for c in app.caption)
    app.button(f"cancel_{run.id}").click().run()
    assert (run.path / "cancel").exists()


@pytest.mark.parametrize("state, sentence", [("failed", "no longer finite"),
                                             ("cancelled", "Cancelled at step 40"),
                                             ("lost", "worker died")])
def test_an_ended_map_says_why_and_keeps_its_points(runs, open_page, started, state, sentence
                                                    ) -> None:
    run = make_run(runs, "layers", state=state)
    app = open_page("layers", run=run.id)
    said = [e.value for e in [*app.error, *app.info, *app.warning]]
    assert any(sentence in text for text in said), said
    assert len(app.get("echarts_chart")) == 1
    app.button(f"again_{run.id}").click().run()
    assert started == [run.config] and not app.exception


def test_the_form_starts_the_map_it_shows(runs, open_page, started) -> None:
    source = make_run(runs, "train")
    app = open_page("layers", run=source.id, layers_steps="20")
    assert "The layer map of these models has not been computed yet" in text_of(app)
    assert "About 38 s" in text_of(app)
    app.number_input("layers_pool").set_value(4)
    app.button("layers_start").click().run()
    assert started == [LayersConfig(source=source.id, steps=20, pool=4)]


def test_a_number_out_of_range_gives_the_default_and_a_toast(runs, open_page, started) -> None:
    source = make_run(runs, "train")
    app = open_page("layers", run=source.id, layers_steps="0")
    assert "layers_steps=0" in app.toast[0].value
    app.button("layers_start").click().run()
    assert started == [LayersConfig(source=source.id)]


def test_a_race_leads_to_the_map_of_its_model(runs, open_page, started) -> None:
    race = make_run(runs, "purify")
    layers = make_run(runs, "layers", source=race.config.source)
    make_run(runs, "layers")
    app = open_page("layers", run=race.id)
    assert not app.exception and not app.info
    assert address(app, "run") == layers.config.source


def test_a_map_may_be_named_itself(runs, open_page, started) -> None:
    source = make_run(runs, "train")
    first = make_run(runs, "layers", source=source.id)
    make_run(runs, "layers", source=source.id, steps=7)
    app = open_page("layers", run=first.id)
    assert address(app, "run") == source.id and address(app, "layers") == first.id


def test_a_race_on_a_layer(runs, open_page, started) -> None:
    run = make_run(runs, "layers")
    app = open_page("layers", run=run.id)
    assert app.selectbox("layers_race_on").value == "blocks.2.conv1"
    app.selectbox("layers_race_on").set_value("linear")
    app.button("layers_race_start").click().run()
    assert not app.exception and app.title[0].value == "Race"
    assert address(app, "source") == run.config.source
    assert app.selectbox("form_layer").value == "linear"


def test_a_race_takes_over_the_maps_conditions(runs, open_page, started) -> None:
    run = make_run(runs, "layers", augment="crop", clean_fraction=0.02, seed=3,
                   clean_balance="balanced")
    app = open_page("layers", run=run.id)
    app.button("layers_race_start").click().run()
    assert app.button_group("form_augment").value == "crop"
    assert app.number_input("form_seed").value == 3
    assert address(app, "race_clean_fraction") == "0.02"
    assert address(app, "race_clean_balance") == "balanced"


def test_the_rules_over_all_attacks_are_not_measured_yet(runs, open_page, started) -> None:
    make_run(runs, "layers")
    app = open_page("layers")
    assert not app.exception and not app.error
    assert "Not measured: the layer maps of the benchmark are missing. `python -m benchmarks" in \
        text_of(app)


def test_the_rules_over_all_attacks(runs, open_page, started, tables) -> None:
    rates = {"acc_hits": 980, "acc_n": 1000, "asr_n": 900, "ra_hits": 800, "ra_n": 900}
    maps = [{"attack": attack, "seed": 0, "layer": layer, "method": "ngf", "asr_hits": hits,
             "score_fisher_mass": mass, "score_last_layer": last} | rates
            for attack, best in (("badnets", 9), ("blend", 90))
            for layer, hits, mass, last in (("stem", best, 2.0, 0.0), ("linear", 450, 1.0, 1.0))]
    pd.DataFrame(maps).to_parquet(tables / "layers.parquet")
    before = [{"attack": attack, "seed": 0, "entrant": "before"} | rates | {"asr_hits": 890}
              for attack in ("badnets", "blend")]
    pd.DataFrame(before).to_parquet(tables / "cells.parquet")
    app = open_page("layers")
    assert not app.exception and not app.error
    assert "single models (2 models, 2 attacks)" in text_of(app)
    assert "(for each attack the rule that does best on all others: Fisher mass): +0.0 points" in \
        text_of(app)
    found = table(app, "picks the oracle's layer").set_index("rule")
    assert found.loc["Last layer", "ASR above the oracle's"] == pytest.approx(44.5)
    assert found.loc["Fisher mass", "picks the oracle's layer"] == "2 of 2"


def test_a_damaged_table_is_a_sentence(runs, open_page, started, tables) -> None:
    (tables / "layers.parquet").write_bytes(b"no parquet")
    app = open_page("layers")
    assert not app.exception and "layers.parquet is damaged" in text_of(app)


def test_a_layers_run_can_be_opened_from_runs(runs, open_page, started) -> None:
    run = make_run(runs, "layers")
    app = open_page("runs", run=run.id)
    assert not app.exception and not app.error
    said = set(table(app, "result")["value"])
    assert {"6 entries", "stem 0.9, blocks.2.conv1 0.4, linear 0.2"} <= said


def test_every_rule_has_words() -> None:
    from ngf_core.layers.rules import RULES

    assert [rule for rule in RULES if not rule_measures(rule)] == []
