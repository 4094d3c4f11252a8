"""Runs computed again: equal where they have to be, within the spread elsewhere."""

import io

import numpy as np
import pytest

from ngf_core.bundle.differences import compare, same_place
from ngf_core.runs import RunStore
from ngf_core.runs.lineage import with_sources
from ngf_core.runs.manifest import change_manifest
from ngf_core.runs.rewrite import rewrite
from ngf_core.runs.tensors import encode
from tests.support.fabricated_runs import make_run

HERE = {"instructions": "AVX512"}


def computed(folder, kind="purify", seed=0, **entries):
    """A store in which a run and all that it stands on were computed, and these, sources first."""
    store = RunStore(folder)
    runs = with_sources([make_run(store, kind, seed=seed)], store)
    for run in runs:
        change_manifest(run.path, **(HERE | entries))
    return store, runs


def with_result(run, model, **entries):
    results = run.results
    change_manifest(run.path, results=results | {model: results[model] | entries})


def told(found):
    return [(d.run, d.what, d.bundle, d.again, d.allowed) for d in found.differences]


@pytest.mark.parametrize("kind", ["purify", "spectrum", "landscape", "layers", "audit"])
def test_equal_numbers_are_reproduced(tmp_path, kind):
    _, bundled = computed(tmp_path / "a", kind)
    store, again = computed(tmp_path / "b", kind)
    with_result(again[0], "train", seconds=99.0)
    found = compare(bundled, store)
    assert not found.differences and found.compared > 100
    assert found.equal == tuple(run.id for run in bundled) and not found.within


def test_slices_are_compared_where_both_have_them(tmp_path):
    _, bundled = computed(tmp_path / "a", "spectrum")
    store, again = computed(tmp_path / "b", "spectrum")
    content = io.BytesIO()
    lines = again[2].arrays("slices")
    np.savez_compressed(content, **lines | {"ngf.loss": lines["ngf.loss"] + 1e-9})
    rewrite(again[2], {"slices.npz": content.getvalue()})
    assert [row[1] for row in told(compare(bundled, store))] == ["slices.ngf.loss"]
    (bundled[2].path / "slices.npz").unlink()  # one of an earlier version
    assert not told(compare(bundled, store))


def test_one_image_more_is_found(tmp_path):
    _, bundled = computed(tmp_path / "a")
    store, (_, race) = computed(tmp_path / "b")
    asr = race.results["ngf"]["asr"]
    with_result(race, "ngf", asr=asr | {"hits": asr["hits"] + 1})
    assert told(compare(bundled, store)) == [
        (bundled[1].id, "ngf.asr", f"{asr['hits']} of {asr['n']}",
         f"{asr['hits'] + 1} of {asr['n']}", "equal")]


def test_a_changed_point_of_a_curve_is_found(tmp_path):
    _, bundled = computed(tmp_path / "a")
    store, (train, _) = computed(tmp_path / "b")
    points = train.points()
    points.loc[points.index[3], "value"] += 1e-9
    content = io.BytesIO()
    points.to_parquet(content, index=False)
    rewrite(train, {"curves.parquet": content.getvalue()})
    (found,) = told(compare(bundled, store))
    assert found[:2] == (bundled[0].id, "curves.train 0 loss") and found[4] == "equal"


def test_a_changed_array_is_found(tmp_path):
    _, bundled = computed(tmp_path / "a", "spectrum")
    store, again = computed(tmp_path / "b", "spectrum")
    arrays = again[2].arrays("spectrum")
    arrays["ngf.eigenvalues"][0] *= 1 + 1e-12
    content = io.BytesIO()
    np.savez(content, **arrays)
    rewrite(again[2], {"spectrum.npz": content.getvalue()})
    assert [row[1] for row in told(compare(bundled, store))] == ["spectrum.ngf.eigenvalues"]


@pytest.mark.parametrize("entries", [{"instructions": "AVX2"}, {"threads": 4},
                                     {"instructions": None}, {"device": "cuda"},
                                     {"versions": {"torch": "1", "numpy": "1"}}])
def test_elsewhere_numbers_may_differ_by_the_spread(tmp_path, entries):
    _, bundled = computed(tmp_path / "a")
    store, (_, race) = computed(tmp_path / "b", **entries)
    asr = race.results["ngf"]["asr"]
    with_result(race, "ngf", asr=asr | {"hits": asr["hits"] + round(0.14 * asr["n"])})
    found = compare(bundled, store)
    assert not found.differences and not found.equal and len(found.within) == 2
    with_result(race, "ngf", asr=asr | {"hits": asr["hits"] + round(0.16 * asr["n"])})
    assert [row[1::3] for row in told(compare(bundled, store))] == [("ngf.asr", "15 points")]


def test_what_starts_from_a_model_of_other_weights_is_from_elsewhere(tmp_path):
    """As on a shipped model in half precision, whose own numbers are equal."""
    _, bundled = computed(tmp_path / "a")
    store, (train, race) = computed(tmp_path / "b")
    rounded = {name: value.half() for name, value in train.tensors("model").items()}
    rewrite(train, {"model.safetensors": encode(rounded)})
    asr = race.results["ngf"]["asr"]
    with_result(race, "ngf", asr=asr | {"hits": asr["hits"] + 1})
    found = compare(bundled, store)
    assert not found.differences
    assert (found.equal, found.within) == ((bundled[0].id,), (bundled[1].id,))


def test_the_sharpness_along_a_race_depends_on_time_and_is_left_out(tmp_path):
    _, bundled = computed(tmp_path / "a")
    store, (_, race) = computed(tmp_path / "b")
    points = race.points()
    timed = points["metric"].isin(["lambda_max", "fisher_trace"])
    assert timed.any()
    points.loc[timed, "value"] += 1.0
    content = io.BytesIO()
    points.to_parquet(content, index=False)
    rewrite(race, {"curves.parquet": content.getvalue()})
    assert not told(compare(bundled, store))


@pytest.mark.parametrize(("factor", "differs"), [(1.9, False), (0.51, False), (2.1, True),
                                                 (0.4, True), (-1.0, True)])
def test_sharpness_elsewhere_may_differ_by_a_factor(tmp_path, factor, differs):
    _, bundled = computed(tmp_path / "a", "spectrum")
    store, again = computed(tmp_path / "b", "spectrum", threads=7)
    with_result(again[2], "ngf", lambda_max=factor * again[2].results["ngf"]["lambda_max"])
    rows = told(compare(bundled, store))
    assert [row[1] for row in rows] == ["ngf.lambda_max"] * differs


def test_a_rate_that_is_gone_is_a_difference(tmp_path):
    _, bundled = computed(tmp_path / "a")
    store, (_, race) = computed(tmp_path / "b", threads=7)
    with_result(race, "ngf", asr=None)
    assert [row[1] for row in told(compare(bundled, store))] == ["ngf.asr"]


def test_a_run_of_other_settings_is_missing_with_all_on_it(tmp_path):
    _, bundled = computed(tmp_path / "a")
    store, _ = computed(tmp_path / "b", seed=1)
    assert [row[:4] for row in told(compare(bundled, store))] == [
        (run.id, "run", "done", "missing") for run in bundled]


def test_the_run_itself_and_a_foreign_one_prove_nothing(tmp_path):
    store, bundled = computed(tmp_path / "a")
    assert len(compare(bundled, store).differences) == 2
    other, again = computed(tmp_path / "b")
    change_manifest(again[0].path, foreign={"bundle": "0", "opened": "now"})
    assert len(compare(bundled, other).differences) == 2


def test_other_numbers_of_processes_round_otherwise():
    run = {"device": "cpu", "instructions": "AVX2", "threads": 1, "versions": {}}
    assert same_place(run, run | {"ranks": 1}) and not same_place(run, run | {"ranks": 2})


def test_an_unknown_processor_is_not_the_same_as_another_unknown_one():
    run = {"device": "cpu", "instructions": None, "threads": 1, "versions": {}}
    assert not same_place(run, run)
    assert same_place(run | {"instructions": "AVX2"}, run | {"instructions": "AVX2"})
