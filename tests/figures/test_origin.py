"""What a figure says of itself: read back from its CSV by pandas, repeated by its command."""

import io

import pandas as pd
import pytest

from app.figures.origin import Origin, of_run, of_runs, of_table
from ngf_core.runs.manifest import change_manifest
from tests.support.fabricated_runs import make_run


def test_a_table_is_read_back_below_its_lines():
    table = pd.DataFrame({"model": ["ngf", "sgd"], "colour, as text": ["blue", "red"]})
    file = Origin({"Run": "a-run", "Settings": "two\nlines"}, "ngf spectrum a-run").csv(table)
    assert file.decode().splitlines()[:3] == [
        "# Run: a-run", "# Settings: two lines", "# Command: ngf spectrum a-run"]
    pd.testing.assert_frame_equal(pd.read_csv(io.BytesIO(file), comment="#"), table)


def test_a_run_tells_seed_images_settings_and_threads(store):
    spectrum = make_run(store, "spectrum", seed=3)
    origin = of_run(spectrum)
    assert list(origin.facts) == ["Run", "Seed", "n", "Settings"]
    assert origin.facts["Run"] == spectrum.id and origin.facts["Seed"] == "3"
    assert origin.facts["n"] == "150 held-out clean images"
    assert "operator hessian" in origin.facts["Settings"]
    assert "source" not in origin.facts["Settings"]
    assert origin.command.startswith("OMP_NUM_THREADS=2 python -m ngf_core spectrum ")
    assert origin.command.endswith("--seed 3")
    race = make_run(store, "purify")
    assert of_run(race).facts["n"] == "1,000 clean and 900 triggered test images"


@pytest.mark.parametrize(("kind", "n"), [
    ("train", "1,000 clean and 900 triggered test images"),
    ("import", "1,000 clean test images"), ("layers", "1,000 clean and 900 triggered test images"),
    ("landscape", "150 held-out images per loss"), ("audit", "100 held-out clean images")])
def test_each_kind_of_run_tells_its_images(store, kind, n):
    fields = {"file": "a", "file_sha": "0" * 64} if kind == "import" else {}
    assert of_run(make_run(store, kind, **fields)).facts["n"] == n


def test_the_images_are_those_there_were_and_not_those_asked_for(store):
    run = make_run(store, "spectrum", samples=100_000)
    change_manifest(run.path, results=run.results | {"samples": 380})
    assert of_run(store.get(run.id)).facts["n"] == "380 held-out clean images"


def test_a_figure_on_other_images_tells_these(store):
    origin = of_run(make_run(store, "purify"))
    other = origin.on("50 clean images of the defender")
    assert other.facts == origin.facts | {"n": "50 clean images of the defender"}
    assert other.command == origin.command and "n" not in origin.on("").facts


def test_a_run_that_has_measured_nothing_yet_tells_no_n(store):
    assert "n" not in of_run(make_run(store, "train", state="running")).facts
    assert "n" not in of_run(make_run(store, "audit", state="running")).facts


def test_several_runs_and_tables_count_distinct_models(store):
    runs = [make_run(store, "train", seed=seed) for seed in (2, 0)]
    origin = of_runs(runs, "ngf compare")
    settings = origin.facts.pop("Settings")
    assert origin.facts == {"Runs": f"{runs[0].id}, {runs[1].id}", "Seed": "0, 2",
                            "n": "2 runs, 1,000 clean and 900 triggered test images each"}
    assert "epochs 20" in settings and "seed" not in settings
    assert of_runs(runs[:1], "ngf compare").facts == of_run(runs[0]).facts
    other = make_run(store, "train", epochs=3)
    assert "epochs" not in of_runs([*runs, other], "ngf compare").facts["Settings"]
    rows = pd.DataFrame({"attack": ["badnets"] * 3 + ["none"], "seed": [0, 0, 1, 0]})
    assert of_table(rows, "ngf benchmark").facts == {
        "Seed": "0, 1", "n": "3 backdoored or benign models"}
    both = pd.concat([rows.assign(dataset=name) for name in ("signs", "fashion_mnist")])
    assert of_table(both, "ngf benchmark").facts["n"] == "6 backdoored or benign models"
    assert of_table(rows[:1], "ngf benchmark").facts["n"] == "1 backdoored or benign model"
    assert of_table(pd.DataFrame({"x": [1]}), "ngf benchmark").facts == {}
