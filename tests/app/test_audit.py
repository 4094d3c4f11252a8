"""Audit: the verdict and what refused it, seeds judged together, the form for two models."""

import json

from app.widgets.controls import figure_card
from tests.support.fabricated_runs import make_run
from tests.support.faked import faked
from tests.support.pages import text_of


def audits(runs, seeds: int) -> list:
    return [make_run(runs, "audit", source=make_run(
        runs, "purify", source=make_run(runs, "train", seed=seed).id).id) for seed in range(seeds)]


def test_no_model_yet(open_page, started) -> None:
    app = open_page("audit")
    assert not app.exception and "There is no model here yet" in text_of(app)


def test_one_seed_has_no_verdict(open_page, started, runs) -> None:
    run = audits(runs, 1)[0]
    app = open_page("audit", run=run.id)
    assert not app.exception and not app.error and not app.warning
    assert "No verdict." in app.info[0].value and "1 training seed" in app.info[0].value
    assert "95 % interval over the images of this one pair" in text_of(app)
    assert f"python -m ngf_core audit {run.config.source}" in app.code[0].value


def test_three_seeds_are_judged_together(open_page, started, runs) -> None:
    run = audits(runs, 3)[-1]
    app = open_page("audit", run=run.id)
    assert not app.exception
    assert app.error[0].value.startswith("**Sharper: ")
    figure = json.loads(app.get("plotly_chart")[0].proto.spec)
    assert [trace["name"] for trace in figure["data"]] == ["as they are", "at matched logits"]
    assert app.code[0].value.count("purify") >= 3


def test_the_ratios_tell_every_audit_behind_them(open_page, started, runs, monkeypatch) -> None:
    told = []
    faked(monkeypatch, figure_card, "save_picture",
          lambda figure, origin, filename: told.append(origin.facts))
    made = audits(runs, 3)
    open_page("audit", run=made[-1].id)
    ratios, plane = told
    assert {run.id for run in made} == set(ratios["Runs"].split(", "))
    assert ratios["n"] == "3 runs, 100 held-out clean images each"
    assert "samples 100" in ratios["Settings"]
    assert plane["Run"] == made[-1].id and plane["n"] == "100 held-out clean images"


def test_both_models_are_shown_on_one_plane(open_page, started, runs) -> None:
    run = audits(runs, 1)[0]
    app = open_page("audit", run=run.id)
    planes = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")[1:3]]
    assert [trace["name"] for plane in planes for trace in plane["data"]
            if trace["type"] == "contour"] == ["No defense", "NGF"]
    one, other = (plane["layout"] for plane in planes)
    assert one["coloraxis"] == other["coloraxis"] and one["xaxis"] == other["xaxis"]
    assert "Random plane, the same directions around both" in text_of(app)


def test_the_address_says_with_whom(open_page, started, runs) -> None:
    run = audits(runs, 3)[-1]
    app = open_page("audit", run=run.id, **{"with": "badnets-seed0"})
    assert "2 training seeds" in app.info[0].value


def test_a_purification_offers_its_methods(open_page, started, runs) -> None:
    race = make_run(runs, "purify")
    app = open_page("audit", run=race.id)
    assert not app.exception
    assert "has not been computed yet" in text_of(app)
    assert [option for box in app.get("button_group") for option in box.options
            if option in ("NGF", "SGD")] == ["NGF", "SGD"]


def test_a_lone_model_is_told_what_is_missing(open_page, started, runs) -> None:
    app = open_page("audit", run=make_run(runs, "train").id)
    assert not app.exception and "An audit needs two models" in text_of(app)


def test_a_lost_audit_can_go_on(open_page, started, runs) -> None:
    run = make_run(runs, "audit", state="lost")
    app = open_page("audit", run=run.id)
    assert not app.exception and not app.error
    assert "Go on" in [button.label for button in app.button]


def test_another_audit_in_the_same_session(open_page, started, runs) -> None:
    first, *_, last = audits(runs, 3)
    app = open_page("audit", run=last.id)
    app.query_params["run"] = first.id
    app.run()
    assert not app.exception and "could not be drawn" not in text_of(app)
    assert "2 training seeds" in text_of(app) or app.error[0].value.startswith("**Sharper")


def test_judged_with_none_stays_so(open_page, started, runs) -> None:
    run = audits(runs, 3)[-1]
    app = open_page("audit", run=run.id, **{"with": "none"})
    assert not app.exception and "1 training seed" in app.info[0].value


def test_the_audit_that_ships_is_drawn_where_none_is_yet(open_page, started) -> None:
    app = open_page("audit")
    box = next(box for box in app.expander if "4 attacks × 3 seeds" in box.label)
    assert not app.exception and not app.error
    assert box.warning[0].value.startswith("**Mixed, so neither flatter nor sharper. ")
    figure = json.loads(box.get("plotly_chart")[0].proto.spec)
    assert [trace["name"] for trace in figure["data"]] == ["as they are", "at matched logits"]
    assert box.code[-1].value.startswith("python -m ngf_core audit signs-badnets-s0-ngf ")
    assert "Download the bundle" in [button.proto.label for button in box.get("download_button")]


def test_the_ratios_that_ship_tell_their_runs(open_page, started, monkeypatch) -> None:
    told = []
    faked(monkeypatch, figure_card, "save_picture",
          lambda figure, origin, filename: told.append(origin))
    open_page("audit")
    assert len(told[0].facts["Runs"].split(", ")) == 12
    assert told[0].facts["n"] == "12 runs, 50 held-out clean images each"


def test_the_audit_that_ships_stays_shut_below_an_own_one(open_page, started, runs) -> None:
    app = open_page("audit", run=audits(runs, 1)[0].id)
    box = next(box for box in app.expander if "ships" in box.label)
    assert not box.children
