"""Coefficients of the terms of stages, from measurements."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

from ngf_core.scaling.model import Coefficients
from ngf_core.scaling.stages import Terms


def fitted(terms: Sequence[Terms], measured: Sequence[float]) -> Coefficients:
    """a >= 0 that minimise sum_i ((sum_j a_j t_ij - y_i) / y_i)^2, by non-negative least squares.

    Relative, since the sizes lie orders of magnitude apart: else the largest alone would decide.
    A term that a measurement does not have is zero in it.
    """
    names = list(dict.fromkeys(name for one in terms for name in one))
    y = np.asarray(measured, float)
    rows = np.array([[one.get(name, 0.0) for name in names] for one in terms]) / y[:, None]
    scale = rows.max(0)
    found, _ = nnls(rows / scale, np.ones(len(y)))
    return dict(zip(names, (found / scale).tolist(), strict=True))
