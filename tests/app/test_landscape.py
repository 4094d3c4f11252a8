"""Landscape: picking models and planes, blanks, and computing what is missing."""

import json

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.frame import STYLE
from app.widgets.curvature.path_point import picked_point
from ngf_core.config import LandscapeConfig
from ngf_core.runs import RunWriter
from ngf_core.runs.manifest import change_manifest, write_manifest
from tests.support.fabricated_runs import make_run
from tests.support.pages import address, select, text_of


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
    app = open_page("landscape", plane="random")
    assert not app.exception and not app.error
    assert kinds(app) == ["contour"] * 3 + ["heatmap"] * 2 + ["surface"] * 3
    assert "λ_max" not in text_of(app)  # no spectrum was measured
    assert "slice of 368 dimensions; for sharpness read Spectrum" in text_of(app)


def test_the_way_through_the_models_on_triggered_images_is_first(open_page, started, runs) -> None:
    make_run(runs, "landscape", planes=EVERY)
    app = open_page("landscape")
    texts = {note["text"] for note in figures(app)[0]["layout"]["annotations"]}
    assert kinds(app) == ["contour"] and "<b>NGF</b>" in texts
    assert address(app, "loss") == "triggered" and address(app, "plane") is None
    assert address(open_page("landscape", plane="random"), "loss") == "clean"


def test_each_plane_opens_on_its_own_images(open_page, started, runs) -> None:
    make_run(runs, "landscape", planes=EVERY)
    app = open_page("landscape")
    for plane, loss in (("random", "clean"), ("path", "triggered"), ("eigen", "clean")):
        app.button_group(key="plane_choice").set_value(plane).run()
        assert not app.exception and address(app, "loss") == loss, plane
    app.button_group(key="loss_choice").set_value("triggered").run()
    assert address(app, "loss") == "triggered" and address(app, "plane") == "eigen"


@pytest.mark.parametrize(("before", "after", "moved", "why"), [
    (1.0, 2.0, 80.0, None), (2.0, 1.0, 80.0, "The plane looks flatter after, and λ_max is larger"),
    (1.0, 2.0, -80.0, "The plane looks sharper after, and λ_max is smaller"),
    (2.0, 1.0, 20.0, None)])
def test_the_random_plane_stands_beside_lambda_max(open_page, started, runs, before, after, moved,
                                                   why) -> None:
    race = make_run(runs, "purify")
    writer = RunWriter(runs.create(LandscapeConfig(source=race.id, grid=3, planes=("random",))))
    writer.begin(threads=1)
    bowl = np.full((3, 3), 9 / 8)
    bowl[1, 1] = 0  # the mean lies 1 above the middle
    writer.arrays("landscape", {
        "models": np.array(["before", "ngf"]), "xs": np.arange(3.0), "ys": np.arange(3.0),
        "before.random.clean": before * bowl, "ngf.random.clean": after * bowl})
    writer.finish({"samples": 10})
    spectrum = make_run(runs, "spectrum", source=race.id)
    results = spectrum.results
    results["ngf"]["sharpness"]["lambda_max"]["minus_before"] = {
        "value": moved, "sampling_error": 20.0, "error": 0.0}
    change_manifest(spectrum.path, results=results)
    said = text_of(open_page("landscape", plane="random"))
    assert f"on average by {after:.2f} nats around NGF, by {before:.2f} around the received" in said
    change = f"{moved:+.0f} ± 20".replace("-", "−")
    assert f"over 150 images, {change}" in said
    assert why in said if why else "The plane looks" not in said
    assert ("only λ_max with its error tells" in said) == (why is None)


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
    assert "a race of at least two methods" in text_of(app)


def test_models_without_a_landscape_offer_to_compute_it(open_page, started, runs) -> None:
    race = make_run(runs, "purify")
    app = open_page("landscape", run=race.id, landscape_grid="9")
    assert "has not been computed yet" in text_of(app)
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


EVERY = ("random", "eigen", "path", "models")


def test_every_plane_and_line_can_be_chosen(open_page, started, runs) -> None:
    make_run(runs, "landscape", planes=EVERY)
    axes = {}
    for plane, count in {"line": 3, "random": 8, "eigen": 8, "path": 1, "models": 1}.items():
        app = open_page("landscape", plane=plane)
        assert not app.exception and not app.error
        assert len(figures(app)) == count, plane
        axes[plane] = figures(app)[0]["layout"]["xaxis"]["title"]["text"]
    assert axes["eigen"] == "along eigenvector 1: λ = 93 ± 0.03"
    assert axes["path"].startswith("first component, 80 % of the variance")


@pytest.mark.parametrize("plane", ["path", "models"])
def test_a_plane_without_a_height_has_one_in_the_style_sheet(open_page, started, runs,
                                                             plane) -> None:
    make_run(runs, "landscape", planes=(plane,))
    assert "height" not in figures(open_page("landscape", plane=plane))[0]["layout"]
    assert f".st-key-landscape_{plane}" in STYLE.read_text(encoding="utf-8")


def test_only_planes_that_were_asked_for_are_offered(open_page, started, runs) -> None:
    make_run(runs, "landscape", planes=("eigen",))
    app = open_page("landscape")
    options = [group.options for group in app.button_group if group.label == "Plane"]
    assert options == [["Eigenvectors", "Lines"]]
    note = figures(app)[0]["layout"]["title"]["subtitle"]["text"]
    assert "curvature 60 along x, 30 along y" in note


def test_an_interpolated_surface_says_so_and_shows_its_points(open_page, started, runs) -> None:
    make_run(runs, "landscape", mode="preview", grid=9)
    app = open_page("landscape", plane="random")
    titles = [figure["layout"]["title"]["subtitle"]["text"] for figure in figures(app)[:3]]
    assert all("interpolated, held-out error 1.8 %" in title for title in titles)
    said = text_of(app)
    assert "27 of 81 points of a surface were computed (dots)" in said
    assert "median up to 0.4 %, largest 1.8 %; requested 2 %" in said
    assert "did not suffice" not in said
    for figure in figures(app)[:3] + figures(app)[5:]:
        dots = [trace for trace in figure["data"] if trace.get("name") == "computed"]
        assert len(dots) == 1


def test_a_preview_that_fell_short_says_so(open_page, started, runs) -> None:
    make_run(runs, "landscape", mode="preview", grid=9, bound=0.01)
    app = open_page("landscape", plane="random")
    assert "(requested: 1 %)" in figures(app)[0]["layout"]["title"]["subtitle"]["text"]
    assert "A quarter of the points was not enough" in text_of(app)


def test_an_exact_surface_claims_no_interpolation(open_page, started, runs) -> None:
    make_run(runs, "landscape", planes=EVERY)
    for plane in EVERY:
        app = open_page("landscape", plane=plane)
        assert "nterpolated:" not in text_of(app)
        assert not [t for f in figures(app) for t in f["data"] if t.get("name") == "computed"]


def test_the_path_may_be_shown_by_steps(open_page, started, runs) -> None:
    make_run(runs, "landscape")
    axes = [figures(open_page("landscape", plane="line", along=by))[2]["layout"]["xaxis"]["title"]
            for by in ("length", "steps")]
    assert [axis["text"] for axis in axes] == ["distance travelled (in weights)",
                                               "tuning steps"]


def test_a_run_of_an_earlier_version_is_still_drawn(open_page, started, runs) -> None:
    """Its arrays have no marks, no errors, no chords and no lengths; its config no planes."""
    race = make_run(runs, "purify")
    run = make_run(runs, "landscape", source=race.id)
    new = ("chord", "along", "path_length", "path_plane", "curvature", "path_steps")
    old = {key: a for key, a in run.arrays("landscape").items()
           if not any(word in key for word in new)}
    manifest = run.manifest
    manifest["config"] = {key: manifest["config"][key]
                          for key in ("kind", "source", "samples", "grid", "span", "seed")}
    manifest["files"] = {}
    write_manifest(run.path, manifest)
    RunWriter(run).arrays("landscape", old)
    for plane in ("line", "random", "models"):
        app = open_page("landscape", plane=plane)
        assert not app.exception and not app.error and figures(app)
    assert "grid 13, mode exact" in text_of(app)


def test_the_form_asks_for_planes_and_mode(open_page, started, runs) -> None:
    race = make_run(runs, "purify")
    app = open_page("landscape", run=race.id, landscape_planes="path,eigen",
                    landscape_mode="preview", landscape_grid="51")
    app.button(key="landscape_start").click().run()
    assert started == [LandscapeConfig(source=race.id, planes=("eigen", "path"), mode="preview",
                                       grid=51)]


def test_no_plane_at_all_is_said_at_its_field(open_page, started, runs) -> None:
    make_run(runs, "purify")
    app = open_page("landscape")
    app.button_group(key="landscape_planes_choice").set_value([]).run()
    assert any("Name at least one of random, eigen" in error.value for error in app.error)
    assert "landscape_start" not in {button.key for button in app.button}


def test_a_live_run_draws_what_it_has_and_can_be_cancelled(open_page, started, runs) -> None:
    race = make_run(runs, "purify")
    run = runs.create(LandscapeConfig(source=race.id, grid=3))
    writer = RunWriter(run)
    writer.begin(threads=1)
    side, loss = np.linspace(-1, 1, 3), np.array([[1, 2, 3]] + [[np.nan] * 3] * 2)
    writer.arrays("landscape", {"models": np.array(["before"]), "xs": side, "ys": side,
                                "before.random.clean": loss,
                                "before.random.clean.computed": np.isfinite(loss)})
    app = open_page("landscape", run=race.id)
    assert not app.exception and not app.error
    assert "No defense, random plane, clean images: 3 of 9 points computed" in text_of(app)
    assert len(app.get("echarts_chart")) == 1
    assert f"cancel_{run.id}" in {button.key for button in app.button}


def test_a_cancelled_run_is_resumed(open_page, started, runs) -> None:
    race = make_run(runs, "purify")
    make_run(runs, "landscape", source=race.id)
    run = runs.create(LandscapeConfig(source=race.id, grid=3))
    writer = RunWriter(run)
    writer.begin(threads=1)
    side = np.linspace(-1, 1, 3)
    writer.arrays("landscape", {"models": np.array(["before"]), "line_t": side, "xs": side,
                                "ys": side, "before.random.clean": np.ones((3, 3))})
    writer.cancel("Cancelled at step 3 of 9.")
    app = open_page("landscape", run=race.id, landscape=run.id)
    (button,) = [b for b in app.button if b.key == f"again_{run.id}"]
    assert button.label == "Resume"
    button.click().run()
    assert started[-1] == run.config


def test_a_click_on_a_path_shows_that_step_and_leads_to_the_race(open_page, started, runs) -> None:
    race = make_run(runs, "purify")
    make_run(runs, "landscape", source=race.id)
    app = open_page("landscape", plane="models")
    assert "**NGF, step 100:**" in text_of(app) and "ASR 1.0 % (0.5 to 1.9 %, n = 900)" in text_of(
        app)
    select(app, "plotly_chart", 0, {"points": [{"customdata": ["sgd", 0]}]})
    assert not app.exception and address(app, "point") == "sgd.0"
    assert "**SGD, step 0:** loss 0.1 on clean images, loss 0.01 on triggered images, ASR 96.0 %" \
        in text_of(app)
    link = next(link.proto for link in app.get("page_link") if "at step" in link.proto.label)
    assert link.label == "Open the race at step 0"
    assert f"run={race.id}" in link.query_string and "step=0" in link.query_string


def test_a_click_beside_the_paths_chooses_nothing() -> None:
    assert picked_point({"selection": {"points": [{"customdata": 0.3}, {"x": 1}]}}) is None
    assert picked_point(None) is None
    assert picked_point({"selection": {"points": [{"customdata": ["ngf", 30]}]}}) == "ngf.30"


def test_a_point_that_was_not_recorded_gives_a_toast_and_the_end(open_page, started, runs) -> None:
    make_run(runs, "landscape")
    app = open_page("landscape", plane="models", point="ngf.41")
    assert any("point=ngf.41" in toast.value for toast in app.toast)
    assert "**NGF, step 100:**" in text_of(app) and not app.exception
