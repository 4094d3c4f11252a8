"""What all races left, against their manifests and a closed form."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from app import state
from app.read.all_models import all_models, left
from ngf_core.runs import RunStore
from ngf_core.runs.manifest import change_manifest
from tests.support.fabricated_runs import make_run
from tests.support.faked import faked


@pytest.fixture
def races(tmp_path, monkeypatch):
    store = RunStore(tmp_path / "runs", tmp_path / "shipped")
    faked(monkeypatch, state, "store", lambda: store)
    monkeypatch.setenv("NGF_RUNS", str(tmp_path / "runs"))
    state._arrays.clear()
    made = [make_run(store, "purify", source=make_run(store, "train", attack=attack).id)
            for attack in ("badnets", "blend", "none")]
    make_run(store, "spectrum", source=made[0].id)
    return made


def test_a_row_per_backdoored_model_and_method(races):
    table = all_models(races)
    assert table[["attack", "method"]].to_numpy().tolist() == [
        ["badnets", "ngf"], ["badnets", "sgd"], ["blend", "ngf"], ["blend", "sgd"]]
    after = races[0].results["sgd"]["asr"]
    row = table.iloc[1]
    assert (row["asr"], row["images"]) == (after["hits"] / after["n"], after["n"])
    assert row["race"] == races[0].id and not row["collapsed"]


def test_sharpness_comes_from_the_races_spectrum(races):
    table = all_models(races)
    arrays = state.arrays(state.store().latest("spectrum"), "spectrum")
    expected = arrays["ngf.eigenvalues"].max() / arrays["before.eigenvalues"].max()
    assert table["ratio"].iloc[0] == pytest.approx(expected)
    assert table["ratio"].iloc[2:].isna().all() and (table["spectrum"].iloc[2:] == "").all()


def test_a_weak_attack_and_a_destroyed_model_are_told(races):
    results = races[1].results
    rate = {"hits": 100, "n": 1000}  # of ten classes
    change_manifest(races[1].path, results=results | {
        "before": results["before"] | {"asr": {"hits": 500, "n": 883}},
        "ngf": results["ngf"] | {"acc": rate}})
    table = all_models(races)
    assert table["weak"].tolist() == [False, False, True, True]
    assert table["collapsed"].tolist() == [False, False, True, False]


def measured(asr, ratio, collapsed) -> pd.DataFrame:
    return pd.DataFrame({"attack": [f"a{i}" for i in range(len(asr))], "seed": 0, "method": "ngf",
                         "asr": asr, "ratio": ratio, "collapsed": collapsed})


def test_the_means_are_those_of_students_t():
    asr, ratio = np.array([0.1, 0.3, 0.2, 0.6]), np.array([1.5, 3.0, 2.0, 1e9])
    found = left(measured(asr, ratio, [False, False, False, True]), "ngf")
    half = stats.t.ppf(0.975, 3) * asr.std(ddof=1) / 2
    assert found.asr.mean == pytest.approx(asr.mean())
    assert (found.asr.low, found.asr.high) == pytest.approx((max(0, asr.mean() - half),
                                                             asr.mean() + half))
    logs = np.log(ratio[:3])
    half = stats.t.ppf(0.975, 2) * logs.std(ddof=1) / math.sqrt(3)
    assert math.exp(found.ratio.mean) == pytest.approx(9 ** (1 / 3))
    assert found.ratio.high == pytest.approx(logs.mean() + half)
    assert found.ratio.n == 3 and found.collapsed == ("a3",)


def test_a_method_that_nobody_ran_leaves_nothing_to_say():
    found = left(measured([0.1], [2.0], [False]), "sgd")
    assert found.asr.n == 0 and found.ratio.n == 0 and found.collapsed == ()
