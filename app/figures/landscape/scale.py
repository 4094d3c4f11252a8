"""What all landscapes share: heights and colours that mean a loss, equal in all panels."""

from collections.abc import Mapping

import numpy as np

Masks = Mapping[str, np.ndarray]
TICKS = np.array([1e-4, 1e-3, 0.01, 0.1, 0.3, 1, 3, 10, 30, 100, 1e3, 1e4, 1e6])


def blank_cells(*losses: np.ndarray) -> int:
    """How many values are NaN or infinite, over all arrays."""
    return int(sum((~np.isfinite(np.asarray(a, float))).sum() for a in losses))


def height(loss: np.ndarray, log: bool) -> np.ndarray:
    """What is drawn: the loss or its log10; NaN where that is undefined."""
    loss = np.array(loss, float)
    loss[~np.isfinite(loss)] = np.nan
    if not log:
        return loss
    loss[loss <= 0] = np.nan
    return np.log10(loss)


def extent(heights) -> tuple[float, float]:
    """The least and greatest finite height; (0, 1) where there is none."""
    finite = np.concatenate([np.ravel(z)[np.isfinite(np.ravel(z))] for z in heights]
                            or [np.zeros(0)])
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def loss_ticks(low: float, high: float, log: bool) -> dict:
    """Tick marks in loss units for an axis whose coordinate may be log10 of the loss."""
    if not log:
        return {"nticks": 6}
    inside = [v for v in TICKS if low <= np.log10(v) <= high]
    if len(inside) < 2:
        inside = (10.0 ** np.linspace(low, high, 4)).tolist()
    return {"tickvals": [float(np.log10(v)) for v in inside],
            "ticktext": [f"{v:.3g}" for v in inside]}


def colour_bar(title: str, low: float, high: float, log: bool) -> dict:
    """A colour bar below the panels, so that they keep their width on a phone."""
    place = {"x": 0.5, "xanchor": "center", "y": 0.01, "yref": "container", "yanchor": "bottom",
             "len": 0.9, "thickness": 12, "orientation": "h"}
    return {"title": {"text": title, "side": "bottom"}} | place | loss_ticks(low, high, log)
