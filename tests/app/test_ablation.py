"""Ablation: the sentence, the summary, every attack, and what is missing."""

import json

import pytest

from ngf_core.evidence.ablation import VARIANTS
from tests.support.fabricated_benchmark import cells
from tests.support.pages import address, text_of

ATTACKS = ("badnets", "blend", "sig")


@pytest.fixture
def tables(tmp_path, monkeypatch):
    monkeypatch.setenv("NGF_BENCHMARK", str(tmp_path))
    cells(ATTACKS, entrants=tuple(VARIANTS)).to_parquet(tmp_path / "cells.parquet")
    return tmp_path


def test_the_sentence_the_summary_and_a_panel_an_attack(open_page, tables) -> None:
    app = open_page("ablation")
    assert not app.exception and not app.error
    assert "Without the natural gradient ASR rises by" in text_of(app)
    charts = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    assert len(charts) == 1 + len(ATTACKS)
    assert [chart["layout"]["title"]["text"] for chart in charts[1:]] == [
        "<b>BadNets</b>", "<b>Blend</b>", "<b>SIG</b>"]
    assert "3 attacks, seeds 0, 1, 2: 9 backdoored models" in text_of(app)


@pytest.mark.parametrize("metric, title", [("ra", "RA"), ("der", "DER"), ("acc_drop", "ACC drop")])
def test_the_measure_is_in_the_address(open_page, tables, metric, title) -> None:
    app = open_page("ablation", metric=metric)
    assert not app.exception and not app.error and address(app, "metric") == metric
    assert f"difference in {title}" in text_of(app) or f" {title} rises" in text_of(app) \
        or f" {title} falls" in text_of(app)


def test_a_benchmark_without_ablation_says_so(open_page, tables) -> None:
    cells(ATTACKS, entrants=("clp",)).to_parquet(tables / "cells.parquet")
    app = open_page("ablation")
    assert not app.exception and "No part of the ablation" in app.info[0].value
    assert app.code[0].value == "python -m ngf_core benchmark"


def test_without_tables_it_says_how_to_make_them(open_page, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("NGF_BENCHMARK", str(tmp_path))
    app = open_page("ablation")
    assert not app.exception and not app.error
    assert "has not been computed yet" in app.info[0].value


def test_missing_cells_say_how_many_there_are(open_page, tables) -> None:
    table = cells(ATTACKS, entrants=tuple(VARIANTS))
    table[(table.entrant != "ablate_auto_layer") | (table.seed == 0)].to_parquet(
        tables / "cells.parquet")
    app = open_page("ablation")
    assert not app.exception and not app.error
    spec = app.get("plotly_chart")[0].proto.spec
    assert "3 of 9" in spec
