"""Spectrum: tiles with errors, unconverged values marked, the four figures, computing one."""

import json

import numpy as np
import pytest

from ngf_core.config import SpectrumConfig
from ngf_core.runs import RunWriter
from tests.support.fabricated_runs import make_run
from tests.support.pages import address, select, text_of


def test_no_model_yet(open_page, started) -> None:
    app = open_page("spectrum")
    assert not app.exception and "Train one first" in text_of(app)


def test_tiles_carry_error_and_sample(open_page, started, runs) -> None:
    make_run(runs, "spectrum")
    app = open_page("spectrum")
    assert not app.exception and not app.error and not app.warning
    tiles = {tile.label: tile for tile in app.metric}
    assert tiles["λ_max, No defense"].value == "130 ± 13"
    assert tiles["λ_max, NGF"].delta == "−12.0 ± 4.0, flatter"
    assert tiles["trace, NGF"].value == "330 ± 24"
    assert tiles["trace, NGF"].delta == "standard error over 15 probes; over images: not measured"
    assert "n = 150 held-out clean images, seed 0" in tiles["trace, NGF"].help
    assert list(tiles)[:3] == ["λ_max, No defense", "λ_max, NGF", "λ_max, SGD"]


def test_stems_density_and_fisher_are_drawn(open_page, started, runs) -> None:
    make_run(runs, "spectrum")
    app = open_page("spectrum")
    figures = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    titles = [figure["layout"]["yaxis"].get("title", {}).get("text") for figure in figures]
    assert titles == ["Hessian eigenvalue λ", "cross-entropy loss", None, "density",
                      "Fisher eigenvalue"]
    assert "n = 150" in text_of(app) and "float32" in text_of(app)


def test_unconverged_values_are_marked(open_page, started, runs) -> None:
    trained = make_run(runs, "train")
    run = runs.create(SpectrumConfig(source=trained.id))
    writer = RunWriter(run)
    writer.begin(threads=1)
    writer.arrays("spectrum", {"models": np.array(["before"]),
                               "before.eigenvalues": np.array([100.0, 50.0]),
                               "before.residuals": np.array([5.0, 0.1]),
                               "before.trace": np.array([300.0, 30.0, 20.0])})
    writer.finish({"samples": 300})
    app = open_page("spectrum", run=run.id)
    assert not app.exception and not app.error
    assert "not converged" in app.metric[0].delta
    assert "more Lanczos steps" in app.warning[0].value
    assert len(app.get("plotly_chart")) == 1
    assert "Sharpness measures: not measured" in text_of(app)
    assert "Not checked against PyHessian" in text_of(app)


@pytest.mark.parametrize("state", ["lost", "failed", "cancelled"])
def test_a_spectrum_that_ended_early_shows_the_models_it_finished(open_page, started, runs, state
                                                                   ) -> None:
    run = make_run(runs, "spectrum", state=state)
    app = open_page("spectrum", run=run.id)
    assert not app.exception and run.results == {}
    assert {tile.label for tile in app.metric} >= {"λ_max, No defense", "trace, No defense"}
    assert "n = 150 held-out clean images, seed 0, " in text_of(app)
    assert "could not be drawn" not in text_of(app)


def test_the_sharpness_of_each_model_stands_beside_its_change(open_page, started, runs) -> None:
    make_run(runs, "spectrum")
    app = open_page("spectrum")
    shown = next(frame.value for frame in app.dataframe if "measure" in frame.value)
    first = shown.set_index("measure").loc["λ_max"]
    assert first["No defense"] == "130 ± 13"
    assert first["NGF − No defense"] == "−12.0 ± 4.0, flatter"
    assert first["SGD − No defense"] == "−2.0 ± 4.0, not resolved"
    said = text_of(app)
    assert "What relative flatness is. Moved by the scale of the logits" in said
    assert "n = 150, infinitesimal jackknife" in said


def test_pyhessians_opinion_is_one_line(open_page, started, runs) -> None:
    make_run(runs, "spectrum")
    app = open_page("spectrum")
    assert "Checked against PyHessian: λ_max agrees within 0.01 %, the trace within 0.6 standard " \
        "errors" in text_of(app)


def test_what_was_not_reached_is_said(open_page, started, runs) -> None:
    trained = make_run(runs, "train")
    run = runs.create(SpectrumConfig(source=trained.id))
    writer = RunWriter(run)
    writer.begin(threads=1)
    writer.arrays("spectrum", {"models": np.array(["before"]),
                               "before.eigenvalues": np.array([100.0]),
                               "before.residuals": np.array([0.1]),
                               "before.trace": np.array([300.0, 30.0, 20.0])})
    writer.finish({"samples": 300, "operator": "ggn", "parameters": "layer", "layer": "fc",
                   "before": {"unreached": ["The trace's standard error is above 5 %."]}})
    app = open_page("spectrum", run=run.id)
    assert not app.exception and not app.error
    assert "The trace's standard error is above 5 %." in app.warning[0].value
    assert "Gauss-Newton of layer fc alone" in text_of(app)


def test_computing_a_spectrum(open_page, started, runs) -> None:
    race = make_run(runs, "purify")
    app = open_page("spectrum", run=race.id, spectrum_k="3")
    app.button(key="spectrum_start").click().run()
    assert started == [SpectrumConfig(source=race.id, k=3)]


def test_the_same_spectrum_is_offered_before_it_is_computed_again(open_page, started, runs) -> None:
    made = make_run(runs, "spectrum")
    app = open_page("spectrum", run=made.config.source)
    app.session_state[f"spectrum_form_{made.config.source}_1"] = True
    app.run()
    assert "computed already" in text_of(app)
    app.button(key="spectrum_start_again").click().run()
    assert started == [made.config]


def test_a_number_out_of_range_gives_the_default_and_a_toast(open_page, started, runs) -> None:
    race = make_run(runs, "purify")
    app = open_page("spectrum", run=race.id, spectrum_k="3000")
    assert "spectrum_k=3000" in app.toast[0].value
    app.button(key="spectrum_start").click().run()
    assert started == [SpectrumConfig(source=race.id)]


def test_a_click_on_an_eigenvalue_shows_the_loss_along_its_eigenvector(open_page, started, runs
                                                                       ) -> None:
    make_run(runs, "spectrum")
    app = open_page("spectrum")
    assert "along the eigenvector of λ = 130 (Ritz residual 0.13)" in text_of(app)
    select(app, "plotly_chart", 0, {"points": [{"customdata": [0.1, "ngf.2"]}]})
    assert not app.exception and address(app, "slice") == "ngf.2"
    assert "eigenvector of λ = 82.6" in text_of(app)
    drawn = json.loads(app.get("plotly_chart")[1].proto.spec)
    assert "The loss along an eigenvector" in [header.value for header in app.header]
    assert [trace["name"] for trace in drawn["data"]] == ["parabola of λ", "NGF, measured"]


def test_a_link_names_the_slice_of_the_smallest_eigenvalue(open_page, started, runs) -> None:
    make_run(runs, "spectrum")
    app = open_page("spectrum", slice="sgd.min")
    assert "eigenvector of λ = -6.4" in text_of(app) and not app.toast
    assert "SGD, λ min = -6.4" in app.selectbox("slice_choice").options


def test_a_spectrum_without_slices_offers_to_measure_them(open_page, started, runs) -> None:
    made = make_run(runs, "spectrum")
    (made.path / "slices.npz").unlink()
    app = open_page("spectrum", slice="ngf.1")
    assert "was not measured in this spectrum" in text_of(app) and not app.exception
    app.session_state[f"slices_form_{made.id}"] = True
    app.run()
    app.button(key="slices_start_again").click().run()
    assert started == [made.config] and not app.exception


def test_another_matrix_than_the_hessian_has_no_slices(open_page, started, runs) -> None:
    make_run(runs, "spectrum", operator="ggn")
    app = open_page("spectrum")
    assert "along an eigenvector" not in " ".join(s.value for s in app.header)
    assert not app.exception
