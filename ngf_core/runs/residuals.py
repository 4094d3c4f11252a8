"""Residuals of spectra that are smaller than rounding lets them be, raised to it as they are read.

The residual of a Ritz pair holds in exact arithmetic. Earlier versions recorded it as it came out,
down to 1e-17 in float32, where the products' rounding alone is eps |lambda|; today's is no smaller
(`roundoff` in `ngf_core.curvature.spectral.lanczos`), so that these functions leave it as it is.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

EPS = {"float32": 2.0**-23, "float64": 2.0**-52}
PAIRS = (("eigenvalues", "residuals"), ("lowest", "lowest_residuals"))


def results_with_rounding(results: Mapping[str, Any]) -> dict[str, Any]:
    """The results of a spectrum run with no residual of lambda_max below r = eps lambda_max, and
    no error of the ratio v = lambda_1 / lambda_5 below (r + v r) / lambda_5 = eps v (1 + v)."""
    eps = EPS.get(results.get("dtype", ""))
    return {name: _raised(of, eps) if eps and isinstance(of, dict) and of.get("lambda_max") else of
            for name, of in results.items()}


def _raised(of: dict[str, Any], eps: float) -> dict[str, Any]:
    least = eps * abs(of["lambda_max"])
    raised = _at_least(of, "residual", least)
    if "pyhessian" in of:
        raised["pyhessian"] = _at_least(of["pyhessian"], "our_residual", least)
    if "sharpness" in of:
        measured = raised["sharpness"] = dict(of["sharpness"])
        if "lambda_max" in measured:
            measured["lambda_max"] = _at_least(measured["lambda_max"], "error", least)
        if "outlier_ratio" in measured:
            v = abs(measured["outlier_ratio"]["value"] or 0.0)
            measured["outlier_ratio"] = _at_least(measured["outlier_ratio"], "error",
                                                  eps * v * (1 + v))
    return raised


def _at_least(of: Mapping[str, Any], key: str, least: float) -> dict[str, Any]:
    return dict(of) | ({} if of.get(key) is None else {key: max(of[key], least)})


def arrays_with_rounding(arrays: "dict[str, np.ndarray]", dtype: str) -> "dict[str, np.ndarray]":
    """The arrays of a spectrum run that was computed in `dtype`, with no residual below eps times
    the model's largest |lambda|; as they are for another dtype."""
    import numpy as np

    raised = dict(arrays)
    for name in arrays["models"].tolist() if dtype in EPS else ():
        there = [(f"{name}.{values}", f"{name}.{residuals}") for values, residuals in PAIRS
                 if f"{name}.{values}" in arrays]
        least = EPS[dtype] * max(np.abs(arrays[values]).max(initial=0.0) for values, _ in there)
        raised |= {residuals: np.maximum(arrays[residuals], least) for _, residuals in there}
    return raised
