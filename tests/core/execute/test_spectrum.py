"""Spectrum runs of real runs: files, keys, and going on where an earlier run ended."""

import numpy as np
import pytest
import torch

from ngf_core.config import SpectrumConfig
from ngf_core.curvature.sharpness import SHARPNESS
from ngf_core.curvature.sharpness.measure import measures
from ngf_core.curvature.sharpness.slices import POINTS
from ngf_core.execute import krylov_files, worker
from ngf_core.execute import spectrum as module
from ngf_core.runs import RunWriter
from tests.support.tiny_runs import made

SPECTRUM = {"samples": 10, "k": 1, "steps": 5, "trace_probes": 2}
KEYS = ("eigenvalues", "residuals", "lowest", "lowest_residuals", "trace", "density_grid",
        "density", "fisher", "products")

# pyhessian's own use of backward(create_graph=True), whose cycle the adapter breaks.
pytestmark = pytest.mark.filterwarnings("ignore:Using backward")


def spectrum_of(run, **changes) -> SpectrumConfig:
    return SpectrumConfig(**{"source": run.id, "check": "none"} | SPECTRUM | changes)


def test_a_spectrum_of_a_training_run(runs, backdoored):
    run = made(spectrum_of(backdoored), runs)
    assert (run.state, run.message) == ("done", "")
    arrays = run.arrays("spectrum")
    assert arrays["models"].tolist() == ["before"]
    assert set(arrays) == {"models", *(f"before.{key}" for key in KEYS)}
    assert arrays["before.eigenvalues"].shape == arrays["before.residuals"].shape == (1,)
    assert arrays["before.lowest"][0] < arrays["before.eigenvalues"][0]
    assert arrays["before.density"].shape == (3, len(arrays["before.density_grid"]))
    assert arrays["before.fisher"].shape == (10 * 10,)  # images times classes
    assert arrays["before.fisher"][0] > 0
    result = run.results["before"]
    assert result["lambda_max"] == pytest.approx(arrays["before.eigenvalues"][0])
    assert [result["trace"], result["trace_error"], 2] == pytest.approx(
        arrays["before.trace"].tolist())
    assert run.results["samples"] == 10 and run.results["layer"] == "linear"
    assert not result["trace_reached"] and "after 2 probes" in result["unreached"][-1]


def test_a_spectrum_of_a_race_measures_every_model_and_pyhessian_agrees(runs, race, monkeypatch):
    seen = []

    def watched(model, data, **more):
        seen.append((data[0], more))
        return real(model, data, **more)

    real = module.measure_spectrum
    monkeypatch.setattr(module, "measure_spectrum", watched)
    run = made(spectrum_of(race, check="pyhessian"), runs)
    assert (run.state, run.message) == ("done", "")
    arrays, names = run.arrays("spectrum"), ("before", "ngf", "sgd")
    assert arrays["models"].tolist() == list(names)
    assert set(arrays) == {"models", *(f"{m}.{key}" for m in names for key in KEYS)}
    assert not np.array_equal(arrays["before.fisher"], arrays["ngf.fisher"])
    assert len(seen) == 3 and all(torch.equal(x, seen[0][0]) for x, _ in seen)
    assert seen[0][1]["memory"] == 2.5e9 and seen[0][1]["trace_error"] == 0.05
    for name in names:
        found = run.results[name]["pyhessian"]
        assert found["ours"] in (pytest.approx(arrays[f"{name}.eigenvalues"][0]),
                                 pytest.approx(arrays[f"{name}.lowest"][0]))
        assert found["products"] == 31 and found["eigenvalue_agrees"] and found["trace_agrees"]


def test_the_loss_along_each_eigenvector_bends_as_its_eigenvalue_says(runs, backdoored):
    run = made(spectrum_of(backdoored, k=2), runs)
    arrays, lines = run.arrays("spectrum"), run.arrays("slices")
    assert set(lines) == {"before.t", "before.loss", "before.slopes"}
    values = np.concatenate([arrays["before.eigenvalues"], arrays["before.lowest"]])
    t, loss, slopes = (lines[f"before.{part}"] for part in ("t", "loss", "slopes"))
    assert t.shape == loss.shape == (3, POINTS) and slopes.shape == (3,)
    middle = POINTS // 2
    assert np.ptp(loss[:, middle]) < 1e-6, "all go through the model"
    h = t[0, middle + 1]
    bend = (loss[0, middle + 1] - 2 * loss[0, middle] + loss[0, middle - 1]) / h**2
    assert bend == pytest.approx(values[0], rel=0.3)  # a tenth of a nat away


def test_only_a_hessian_has_slices(runs, backdoored):
    run = made(spectrum_of(backdoored, operator="ggn"), runs)
    assert run.state == "done" and not run.has("slices")


def test_sharpness_of_every_model_and_its_change(runs, race):
    run = made(spectrum_of(race, k=5), runs)
    assert (run.state, run.message) == ("done", "")
    for name in ("before", "ngf", "sgd"):
        told, spectrum = run.results[name]["sharpness"], run.results[name]
        assert set(told) == set(measures("cheap")) < set(SHARPNESS)
        assert told["lambda_max"]["value"] == pytest.approx(spectrum["lambda_max"], rel=1e-6)
        assert told["lambda_max"]["cost"] == {"directional passes": 1}  # the spectrum's own pairs
        for measure, entry in told.items():
            assert ("minus_before" in entry) == (name != "before")
            if name != "before":
                base = run.results["before"]["sharpness"][measure]["value"]
                assert entry["minus_before"]["value"] == pytest.approx(entry["value"] - base)


def test_sharpness_can_be_left_out_or_be_all_of_it_in_one_layer(runs, backdoored):
    none = made(spectrum_of(backdoored, sharpness="none"), runs)
    assert "sharpness" not in none.results["before"]
    every = made(spectrum_of(backdoored, parameters="layer", operator="ggn", sharpness="all"), runs)
    told = every.results["before"]["sharpness"]
    assert set(told) == set(SHARPNESS)
    assert list(told["relative_flatness"]["parts"]) == ["linear"]


@pytest.mark.parametrize("operator", ["hessian", "ggn", "fisher", "empirical"])
def test_a_spectrum_in_the_tuned_layer(runs, backdoored, operator):
    run = made(spectrum_of(backdoored, operator=operator, parameters="layer", check="pyhessian"),
               runs)
    assert (run.state, run.message) == ("done", "")
    assert ("pyhessian" in run.results["before"]) == (operator == "hessian")
    assert run.results["parameters"] == "layer" and run.results["operator"] == operator
    if operator != "hessian":
        assert run.arrays("spectrum")["before.lowest"][0] > -1e-3


def test_a_later_spectrum_goes_on_from_an_earlier_one(runs, backdoored):
    first = made(spectrum_of(backdoored, seed=11), runs)
    before = first.results["before"]
    assert before["earlier"] is None and before["spent"] == before["products"] > 0
    assert not any("krylov" in name for name in first.manifest["files"])
    same = made(spectrum_of(backdoored, seed=11), runs).results["before"]
    assert same["spent"] == 0 and same["earlier"] == first.id
    assert same["trace"] == before["trace"]
    more = made(spectrum_of(backdoored, seed=11, trace_probes=40, trace_error=0.1), runs)
    found = more.results["before"]
    assert 0 < found["spent"] < found["products"] == before["products"] + found["spent"]
    for other in ({"seed": 12}, {"seed": 11, "samples": 11}, {"seed": 11, "operator": "ggn"}):
        assert made(spectrum_of(backdoored, **other), runs).results["before"]["earlier"] is None


def test_a_cancelled_spectrum_is_gone_on_with(runs, backdoored, monkeypatch):
    run = runs.create(spectrum_of(backdoored, seed=21))
    progress = RunWriter.progress

    def cancelling(self, done, total, text, eta=None):
        progress(self, done, total, text, eta)
        if "product 4 " in text:
            run.cancel()

    with monkeypatch.context() as patch:
        patch.setattr(RunWriter, "progress", cancelling)
        worker.work(run, runs)
    assert run.state == "cancelled"
    found = made(spectrum_of(backdoored, seed=21), runs).results["before"]
    assert found["earlier"] == run.id
    # The fifth product was being told when the run stopped.
    assert found["spent"] == found["products"] - 5


def test_a_damaged_or_large_krylov_file_is_passed_over(runs, backdoored, monkeypatch):
    first = made(spectrum_of(backdoored, seed=31), runs)
    (first.path / ".krylov-before.safetensors").write_bytes(b"nonsense")
    monkeypatch.setattr(krylov_files, "LARGEST", 1000)
    again = made(spectrum_of(backdoored, seed=31), runs)
    assert again.results["before"]["earlier"] is None
    assert not (again.path / ".krylov-before.safetensors").exists()


@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
def test_a_damaged_state_is_not_used(runs, backdoored, place):
    """One bit in the tensors, which no format notices and every later number would carry on."""
    config = spectrum_of(backdoored, seed=32)
    first = made(config, runs)
    path = first.path / ".krylov-before.safetensors"
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    whole = krylov_files.find(config, runs, "before", torch.device("cpu"))
    path.write_bytes(content)
    found, where = krylov_files.find(config, runs, "before", torch.device("cpu"))
    assert whole[0].products > 0 == found.products and (whole[1], where) == (first.id, None)
    first.delete()
