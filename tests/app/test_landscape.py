"""Landscape: picking models and planes, blanks, and computing what is missing."""

import json

import numpy as np
from streamlit.testing.v1 import AppTest

from ngf_core.config import LandscapeConfig
from ngf_core.runs import RunWriter
from tests.app.stand_ins import address, text_of
from tests.factory import make_run


def figures(app: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


def kinds(app: AppTest) -> list[str]:
    return [next(t["type"] for t in f["data"] if t["type"] != "scatter" or len(f["data"]) > 6)
            for f in figures(app)]


def test_no_model_yet(open_page, started) -> None:
    app = open_page("landscape")
    assert not app.exception and "Train one first" in text_of(app)


def test_contours_come_before_surfaces(open_page, started, runs) -> None:
    make_run(runs, "landscape")
    app = open_page("landscape")
    assert not app.exception and not app.error
    assert kinds(app) == ["contour"] * 3 + ["heatmap"] * 2 + ["surface"] * 3
    assert "slice of 368 dimensions; for sharpness read Spectrum" in text_of(app)


def test_the_address_chooses_plane_loss_scale(open_page, started, runs) -> None:
    make_run(runs, "landscape")
    app = open_page("landscape", plane="models", loss="triggered", scale="linear")
    assert len(figures(app)) == 1
    texts = {note["text"] for note in figures(app)[0]["layout"]["annotations"]}
    assert texts == {"<b>No defense</b>", "<b>NGF</b>", "<b>SGD</b>"}


def test_line_shows_clean_and_triggered(open_page, started, runs) -> None:
    make_run(runs, "landscape")
    names = {trace["name"] for trace in figures(open_page("landscape", plane="line"))[0]["data"]}
    assert {"NGF, clean", "NGF, triggered", "No defense, triggered"} <= names


def test_a_bad_plane_gives_the_default_and_one_toast(open_page, started, runs) -> None:
    make_run(runs, "landscape")
    app = open_page("landscape", plane="moon")
    assert kinds(app)[0] == "contour"
    assert len(app.toast) == 1 and "plane=moon" in app.toast[0].value


def test_a_landscape_run_may_be_named_itself(open_page, started, runs) -> None:
    race = make_run(runs, "purify")
    small = make_run(runs, "landscape", source=race.id, grid=5)
    make_run(runs, "landscape", source=race.id, grid=9)
    app = open_page("landscape", run=small.id)
    assert address(app, "run") == race.id and address(app, "landscape") == small.id
    assert "grid 5" in text_of(app)


def test_one_trained_model_has_no_plane_through_three(open_page, started, runs) -> None:
    trained = make_run(runs, "train")
    make_run(runs, "landscape", source=trained.id)
    app = open_page("landscape", plane="models")
    assert not app.exception and not figures(app)
    assert "a race of exactly two methods" in text_of(app)


def test_models_without_a_landscape_offer_to_compute_it(open_page, started, runs) -> None:
    race = make_run(runs, "purify")
    app = open_page("landscape", run=race.id, landscape_grid="9")
    assert "was not computed yet" in text_of(app)
    app.button(key="landscape_start").click().run()
    assert started == [LandscapeConfig(source=race.id, grid=9)]
    assert f"cancel_{runs.list('landscape')[0].id}" in {b.key for b in app.button}


def test_a_failed_landscape_says_why_and_shows_what_is_there(open_page, started, runs) -> None:
    race = make_run(runs, "purify")
    run = make_run(runs, "landscape", source=race.id, state="failed")
    arrays = run.arrays("landscape") if run.has("landscape") else {}
    app = open_page("landscape", run=race.id)
    assert "no longer finite" in app.error[0].value
    assert bool(figures(app)) is bool(arrays)


def test_blank_points_are_counted(open_page, started, runs) -> None:
    race = make_run(runs, "purify")
    run = runs.create(LandscapeConfig(source=race.id, grid=3))
    writer = RunWriter(run)
    writer.begin(threads=1)
    side = np.linspace(-1, 1, 3)
    holed = np.ones((3, 3))
    holed[0] = np.nan
    writer.arrays("landscape", {"models": np.array(["before"]), "line_t": side, "xs": side,
                                "ys": side, "before.line.clean": side**2 + 1,
                                "before.random.clean": holed})
    writer.finish({"samples": 10})
    app = open_page("landscape", run=race.id)
    assert not app.exception and not app.error
    assert "3 of 9 points are blank" in text_of(app)
    assert "Triggered images" not in [o for group in app.button_group for o in group.options]


def test_an_unknown_run_is_a_card(open_page, started, runs) -> None:
    make_run(runs, "landscape")
    app = open_page("landscape", run="nowhere")
    assert any("There is no run" in card.value for card in app.info)
    assert figures(app)
