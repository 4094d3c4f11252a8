"""A benign model on every page: no trigger, no ASR, no crash, and sentences that fit."""

import json

import numpy as np
import pytest

from app.widgets.attacks.sample_grid import label_table
from ngf_core.config import LandscapeConfig
from ngf_core.runs import RunWriter
from tests.support.fabricated_runs import make_run
from tests.support.pages import text_of


@pytest.fixture
def race(runs):
    return make_run(runs, "purify", attack="none")


def sound(app):
    assert not app.exception and not app.error, [*app.exception, *app.error]
    return app


def test_start_asks_for_a_backdoored_model(open_page, race):
    assert "No finished race on a backdoored model" in text_of(sound(open_page("start")))


def test_configure_shows_clean_images_only(open_page, started):
    app = sound(open_page("configure", attack="none"))
    assert len(app.get("image")) == 1
    assert "poisoned" not in text_of(app)


def test_a_benign_training_run_has_one_rate(open_page, started, runs):
    app = sound(open_page("configure", run=make_run(runs, "train", attack="none").id))
    assert [tile.label for tile in app.metric] == ["ACC"]


def test_the_race_has_no_asr_and_says_why(open_page, race):
    app = sound(open_page("race", run=race.id))
    assert "This model is benign" in text_of(app)
    assert not any("ASR" in tile.label for tile in app.metric)
    assert len(app.get("image")) == 4


@pytest.mark.parametrize("plane", ["line", "random", "models"])
def test_the_landscape_is_of_clean_images(open_page, started, runs, plane):
    make_run(runs, "landscape", attack="none")
    app = sound(open_page("landscape", plane=plane))
    assert app.get("plotly_chart")
    assert "triggered" not in text_of(app)
    assert all("Triggered images" not in group.options for group in app.button_group)


def test_the_spectrum_is_as_for_any_model(open_page, started, runs):
    make_run(runs, "spectrum", attack="none")
    assert len(sound(open_page("spectrum")).get("plotly_chart")) == 5


@pytest.mark.parametrize("kind", ["train", "purify", "spectrum", "landscape"])
def test_runs_open(open_page, started, runs, kind):
    app = sound(open_page("runs", run=make_run(runs, kind, attack="none").id))
    assert set(app.dataframe[0].value["attack"]) == {"benign"}
    assert app.dataframe[0].value["ASR"].isna().all()


def test_labels_without_targets_are_one_column():
    table = label_table({"labels": np.array([1, 0])}, ("a", "b"))
    assert table.to_dict("list") == {"image": [1, 2], "true label": ["b", "a"]}
    table = label_table({"labels": np.array([1]), "targets": np.array([0])}, ("a", "b"))
    assert table["trained as"].tolist() == ["a"]


def test_a_missing_plane_is_said_with_its_reason(open_page, started, runs):
    race = make_run(runs, "purify", methods=("ngf", "sgd", "finetune"))
    make_run(runs, "landscape", source=race.id)
    said = text_of(sound(open_page("landscape", plane="models")))
    assert "a race of at least two methods" in said


def test_a_plane_that_was_not_reached_is_said(open_page, started, runs, race):
    run = runs.create(LandscapeConfig(source=race.id, grid=3))
    writer = RunWriter(run)
    writer.begin(threads=1)
    side = np.linspace(-1, 1, 3)
    writer.arrays("landscape", {"models": np.array(["before", "ngf", "sgd"]), "line_t": side,
                                "xs": side, "ys": side, "before.line.clean": side**2 + 1,
                                "before.random.clean": np.ones((3, 3))})
    writer.cancel("Cancelled.")
    app = sound(open_page("landscape", run=run.id, plane="models"))
    assert "the run ended before reaching it" in text_of(app)
    assert not [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
