"""Landscape runs of real runs: every plane and mode, and taking up what another run has left."""

import numpy as np
import pytest
import torch
from torch import nn

from ngf_core.config import LandscapeConfig
from ngf_core.execute import canvas, worker
from ngf_core.landscape import Evaluator
from ngf_core.runs import Cancelled, RunWriter
from ngf_core.runs.manifest import change_manifest
from ngf_core.trained.load import load_trained
from ngf_core.trained.samples import held_out
from tests.support.tiny_runs import made, purify_config

SMALL = {"samples": 10, "grid": 3}
MODELS, PARTS = ("before", "ngf", "sgd"), ("clean", "triggered")
FIXED = 3 * 41 + 2 * 31 + 2 * 4


def losses(run, store, config) -> dict[str, dict[str, float]]:
    """Cross-entropy of every model on the run's held-out images."""
    source = load_trained(run.id, store)
    sets = held_out(source.dataset, source.attack, config.samples, config.seed, torch.device("cpu"))
    with torch.no_grad():
        return {name: {part: nn.functional.cross_entropy(model(x), y).item()
                       for part, (x, y) in sets.items()}
                for name, model in source.models.items()}


@pytest.fixture(scope="module")
def all_planes(runs, race):
    return made(LandscapeConfig(source=race.id, planes=("random", "eigen", "path", "models"),
                                **SMALL), runs)


@pytest.fixture
def evaluated(monkeypatch) -> list[int]:
    """How many points each call of an evaluator computed."""
    counts, compute = [], Evaluator.losses

    def counted(self, points, progress=None):
        counts.append(len(points))
        return compute(self, points, progress)

    monkeypatch.setattr(Evaluator, "losses", counted)
    return counts


def test_every_plane_of_a_race(runs, race, all_planes):
    assert (all_planes.state, all_planes.message) == ("done", "")
    arrays = all_planes.arrays("landscape")
    surfaces = {f"{m}.{plane}" for m in MODELS for plane in ("random", "eigen")} | {"path", "plane"}
    curves = {f"{m}.line" for m in MODELS} | {f"{m}.{kind}" for m in MODELS[1:]
                                              for kind in ("chord", "along")}
    expected = {f"{key}.{part}" for key in surfaces | curves for part in PARTS}
    expected |= {f"{key}.{part}.computed" for key in surfaces for part in PARTS}
    expected |= {f"{m}.{key}" for m in MODELS[1:]
                 for key in ("path", "path_steps", "path_length", "on_path_plane",
                             "off_path_plane")}
    expected |= {f"{m}.curvature" for m in MODELS}
    assert set(arrays) == expected | {
        "models", "line_t", "chord_t", "xs", "ys", "plane_xs", "plane_ys", "plane.points",
        "path_xs", "path_ys", "path_variance", "eigen_xs", "eigen_ys", "eigen_values",
        "eigen_residuals"}
    assert all_planes.results == {"samples": 10, "points": FIXED + 8 * 9, "not_finite": 0,
                                  "no_plane": None, "why_not": {}, "resumed": 0}
    truth = losses(race, runs, all_planes.config)
    for model in MODELS:
        for part in PARTS:
            middle = truth[model][part]
            assert arrays[f"{model}.line.{part}"][20] == pytest.approx(middle, rel=1e-4)
            assert arrays[f"{model}.random.{part}"][1, 1] == pytest.approx(middle, rel=1e-4)
            assert arrays[f"{model}.eigen.{part}"][1, 1] == pytest.approx(middle, rel=1e-4)
            assert arrays[f"{model}.eigen.{part}.computed"].all()


def test_curves_between_models_start_and_end_at_them(runs, race, all_planes):
    arrays, truth = all_planes.arrays("landscape"), losses(race, runs, all_planes.config)
    t = arrays["chord_t"].tolist()
    for method in MODELS[1:]:
        assert arrays[f"{method}.path_steps"].tolist() == [0, 1, 2, 3]
        assert arrays[f"{method}.path_length"][0] == 0
        assert (np.diff(arrays[f"{method}.path_length"]) > 0).all()
        for part in PARTS:
            straight = arrays[f"{method}.chord.{part}"]
            assert straight[t.index(0.0)] == pytest.approx(truth["before"][part], rel=1e-4)
            assert straight[t.index(1.0)] == pytest.approx(truth[method][part], rel=1e-4)
            assert arrays[f"{method}.along.{part}"][-1] == pytest.approx(truth[method][part],
                                                                         rel=1e-4)


def test_the_planes_know_where_models_and_paths_are(all_planes):
    arrays = all_planes.arrays("landscape")
    assert arrays["plane.points"].shape == (3, 2)
    for i, method in enumerate(MODELS[1:], 1):
        path, scale = arrays[f"{method}.path"], np.abs(arrays["plane.points"]).max()
        assert path.shape == arrays[f"{method}.on_path_plane"].shape == (4, 2)
        assert np.allclose(path[0], arrays["plane.points"][0], atol=1e-3 * scale)
        assert np.allclose(path[-1], arrays["plane.points"][i], atol=1e-2 * scale)
    assert 0 < arrays["path_variance"][1] <= arrays["path_variance"][0] < 1
    assert arrays["before.curvature"] == pytest.approx(arrays["eigen_values"], rel=1e-2)
    half = 2 * all_planes.config.span * (2 / arrays["eigen_values"][0]) ** 0.5
    assert arrays["eigen_xs"][-1] == pytest.approx(half)


def test_a_benign_model_has_nothing_triggered_and_no_other_models(runs, benign):
    run = made(LandscapeConfig(source=benign.id, planes=("random", "path", "models"), **SMALL),
               runs)
    assert run.state == "done"
    assert set(run.arrays("landscape")) == {
        "models", "line_t", "chord_t", "xs", "ys", "before.line.clean", "before.random.clean",
        "before.random.clean.computed"}
    assert "a race of at least two methods" in run.results["no_plane"]
    assert "race with NGF or SGD" in run.results["why_not"]["path"]


def test_fine_tuning_leaves_no_path(runs, backdoored):
    race = made(purify_config(backdoored, "finetune"), runs)
    run = made(LandscapeConfig(source=race.id, planes=("path",), **SMALL), runs)
    assert run.state == "done" and "chosen layers are tuned" in run.results["why_not"]["path"]
    arrays = run.arrays("landscape")
    assert "finetune.chord.clean" in arrays and "finetune.along.clean" not in arrays


def test_a_preview_says_what_it_computed_and_its_error(runs, backdoored, evaluated):
    run = made(LandscapeConfig(source=backdoored.id, planes=("random",), samples=10, grid=21,
                               mode="preview", bound=0.05), runs)
    arrays = run.arrays("landscape")
    points = 0
    for part in PARTS:
        computed = arrays[f"before.random.{part}.computed"]
        median, largest, bound = arrays[f"before.random.{part}.held_out"]
        assert np.isfinite(arrays[f"before.random.{part}"]).all()
        assert 16 < computed.sum() <= 110 and bound == 0.05 and 0 <= median <= largest
        points += computed.sum()
    assert run.results["points"] == 41 + points == sum(evaluated)
    assert 0 < run.progress()["done"] <= run.progress()["total"]


def cut_short(config, runs, monkeypatch, rows: int):
    """A run that is cancelled as it writes for the `rows`-th time."""
    run, writes, write = runs.create(config), [], RunWriter.arrays

    def stop(self, name, arrays):
        write(self, name, arrays)
        writes.append(name)
        if len(writes) == rows:
            raise Cancelled

    with monkeypatch.context() as patch:
        patch.setattr(RunWriter, "arrays", stop)
        worker.work(run, runs)
    assert run.state == "cancelled"
    return run


@pytest.mark.parametrize(("mode", "grid"), [("exact", 5), ("preview", 13)])
def test_a_cancelled_run_is_gone_on_with(mode, grid, runs, race, evaluated, monkeypatch):
    """No row or round that was left is computed again, and the end is that of a whole run."""
    config = LandscapeConfig(source=race.id, planes=("models",), samples=10, grid=grid, mode=mode,
                             bound=0.001, seed=3)
    cut_short(config, runs, monkeypatch, 10)
    before = sum(evaluated)
    run = made(config, runs)
    both = sum(evaluated)
    whole = made(LandscapeConfig(**{**vars(config), "memory": 1.5}), runs)
    points = sum(evaluated) - both
    assert 0 < before < points and both == points
    assert run.results["resumed"] > 0 and whole.results["resumed"] == 0
    assert run.results["points"] == whole.results["points"]
    mine, theirs = run.arrays("landscape"), whole.arrays("landscape")
    assert set(mine) == set(theirs)
    for key in set(mine) - {"models"}:
        if not key.endswith("held_out"):
            np.testing.assert_allclose(mine[key], theirs[key], rtol=1e-5, err_msg=key)


def test_other_settings_and_finished_runs_are_not_taken_over(runs, backdoored, monkeypatch):
    config = LandscapeConfig(source=backdoored.id, planes=("random",), samples=10, grid=5)
    cut_short(config, runs, monkeypatch, 3)
    for change in ({"samples": 11}, {"seed": 1}, {"span": 0.5}, {"vectors": "scaled"}):
        run = made(LandscapeConfig(**{**vars(config), **change}), runs)
        assert run.state == "done" and run.results["resumed"] == 0
    assert made(config, runs).results["resumed"] > 0


def test_another_version_is_not_taken_over(runs, backdoored, monkeypatch):
    config = LandscapeConfig(source=backdoored.id, planes=("random",), samples=10, grid=5, seed=9)
    old = cut_short(config, runs, monkeypatch, 3)
    change_manifest(old.path, versions=old.manifest["versions"] | {"torch": "1.0"})
    assert made(config, runs).results["resumed"] == 0


def test_eigen_axes_that_came_out_otherwise_are_computed_anew():
    class Silent:
        run = type("R", (), {"id": "x", "manifest": {"versions": {}}, "has": lambda _: False})

    store = type("S", (), {"list": lambda *_: []})()
    sheet = canvas.Canvas(LandscapeConfig(source="a"), store, Silent(), ("clean",), 1)
    old = np.linspace(-1, 1, 3)
    sheet._earlier = {"eigen_xs": old, "before.eigen.clean": old, "before.random.clean": old}
    near, far = sheet.axis("eigen_xs", old * 1.0001), None
    assert near is old
    far = sheet.axis("eigen_xs", old * 1.1)
    assert far[-1] == pytest.approx(1.1)
    assert set(sheet._earlier) == {"eigen_xs", "before.random.clean"}
