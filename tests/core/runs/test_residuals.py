"""No reader sees a residual that rounding does not let be so small."""

import json

import numpy as np
import pytest

from ngf_core.cli.main import main
from ngf_core.paths import shipped
from ngf_core.runs import Run
from ngf_core.runs.residuals import arrays_with_rounding, results_with_rounding

EPS = {"float32": np.finfo(np.float32).eps, "float64": np.finfo(np.float64).eps}
ENTRY = {"lambda_max": -50.0, "residual": 1e-17, "trace": 3.0,
         "pyhessian": {"our_residual": 1e-17, "residual": 1e-9},
         "sharpness": {"lambda_max": {"value": -50.0, "error": 1e-17},
                       "outlier_ratio": {"value": 4.0, "error": 1e-12},
                       "sam": {"value": 0.1, "error": None}}}


@pytest.mark.parametrize("dtype", EPS)
def test_of_the_results(dtype):
    told = {"dtype": dtype, "layer": "fc", "before": ENTRY}
    found = results_with_rounding(told)
    eps = EPS[dtype]
    assert found["before"]["residual"] == found["before"]["pyhessian"]["our_residual"] == 50 * eps
    measured = found["before"]["sharpness"]
    assert measured["lambda_max"]["error"] == 50 * eps
    # (r + v r) / lambda_5 with lambda_5 = lambda_1 / v and r = eps lambda_1
    assert measured["outlier_ratio"]["error"] == max(1e-12, (50 * eps + 4 * 50 * eps) / (50 / 4))
    assert measured["sam"] == {"value": 0.1, "error": None}
    assert (found["layer"], found["before"]["trace"]) == ("fc", 3.0)
    assert told["before"]["residual"] == 1e-17, "what was read stays as it is"


@pytest.mark.parametrize("changes", [
    {"dtype": "bfloat16"}, {"before": {"lambda_max": None, "residual": None}},
    {"before": {"lambda_max": 3.0, "residual": None}}, {"before": {"acc": 1.0}},
    {"before": {"lambda_max": 3.0, "residual": 0.5, "sharpness": {
        "outlier_ratio": {"value": None, "error": None}}}}])
def test_all_else_is_as_it_was(changes):
    told = {"dtype": "float32", "before": ENTRY} | changes
    assert results_with_rounding(told) == told


def test_of_the_arrays():
    arrays = {"models": np.array(["before", "ngf"]),
              "before.eigenvalues": np.array([9.0, 2.0]), "before.residuals": np.array([0.0, 1.0]),
              "before.lowest": np.array([-40.0]), "before.lowest_residuals": np.array([1e-17]),
              "ngf.eigenvalues": np.array([1.0]), "ngf.residuals": np.array([1e-17]),
              "before.trace": np.array([1e-20])}
    found = arrays_with_rounding(arrays, "float32")
    assert found["before.residuals"].tolist() == [40 * EPS["float32"], 1.0]
    assert found["before.lowest_residuals"].tolist() == [40 * EPS["float32"]]
    assert found["ngf.residuals"].tolist() == [EPS["float32"]]
    assert found["before.trace"].tolist() == [1e-20]
    assert arrays_with_rounding(arrays, "")["before.residuals"].tolist() == [0.0, 1.0]


def test_of_the_shipped_spectra(capsys):
    """Computed in float32, by a version that told 40 of 60 residuals below its rounding."""
    folders = sorted(shipped("assets", "zoo").glob("*-spectrum"))
    assert len(folders) == 15
    for folder in folders:
        run = Run(folder, shipped=True)
        arrays = run.arrays("spectrum.npz")
        for name in arrays["models"].tolist():
            ends = np.concatenate([arrays[f"{name}.eigenvalues"], arrays[f"{name}.lowest"]])
            least = EPS["float32"] * np.abs(ends).max()
            for part in ("residuals", "lowest_residuals"):
                assert (arrays[f"{name}.{part}"] >= least).all()
            told = run.results[name]
            for error in (told["residual"], told["sharpness"]["lambda_max"]["error"]):
                assert error >= EPS["float32"] * told["lambda_max"]
    assert main(["runs", "show", folders[0].name, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["results"]["before"]
    assert min(shown["residuals"]) >= EPS["float32"] * shown["lambda_max"]
    assert shown["residual"] >= EPS["float32"] * shown["lambda_max"]
