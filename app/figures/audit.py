"""An audit's figure: after / before of every measure, as the models are and at matched logits."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go

from app.theme import ink, plotly_template, style
from ngf_core.curvature.sharpness import SHARPNESS
from ngf_core.evidence.audit_report import exp
from ngf_core.evidence.audit_verdict import MATCHED, READINGS
from ngf_core.evidence.rank import Estimate

TITLES = {name: entry.title for name, entry in SHARPNESS.items()}
_NORMAL = 1.96


def single(pair: Mapping) -> dict[str, dict[str, Estimate]]:
    """The ratios of one pair in the form of `audit_verdict.estimates`; the intervals are over its
    images."""
    def one(found: Mapping[str, float | None]) -> Estimate:
        value, error = (math.nan if found[part] is None else float(found[part])  # type: ignore[arg-type]
                        for part in ("value", "error"))
        return Estimate(value, value - _NORMAL * error, value + _NORMAL * error, math.nan, 1)

    return {reading: {name: one(row[reading]) for name, row in pair["measures"].items()}
            for reading in READINGS}


def ratio_table(found: Mapping[str, Mapping[str, Estimate]]) -> pd.DataFrame:
    """One row per measure and reading: ratio, low, high, n."""
    return pd.DataFrame(
        [[TITLES[name], reading, *(exp(value) for value in (one.mean, one.low, one.high)),
          one.n] for reading, of in found.items() for name, one in of.items()],
        columns=["measure", "logits", "after / before", "low", "high", "n"])


def ratios(found: Mapping[str, Mapping[str, Estimate]], model: str, *, dark: bool) -> go.Figure:
    """Ratios with their 95 % intervals on a log axis, one row per measure; `model` names the model
    after, whose colour they have."""
    figure, drawn = go.Figure(), style(model)
    names = [name for name in TITLES if name in next(iter(found.values()))]
    for turn, (reading, of) in enumerate(found.items()):
        shown = [name for name in names if math.isfinite(of[name].mean)]
        ends = [of[name] for name in shown]
        middle = [exp(one.mean) for one in ends]
        figure.add_scatter(
            x=middle, y=[names.index(name) + 0.24 * (turn - 0.5) for name in shown],
            mode="markers", name=reading,
            error_x={"type": "data", "thickness": 2, "width": 4, "color": drawn.color,
                     "array": _lengths([(exp(one.mean), exp(one.high)) for one in ends]),
                     "arrayminus": _lengths([(exp(one.low), exp(one.mean))
                                             for one in ends])},
            marker={"color": drawn.color, "size": 11, "line": {"color": drawn.color, "width": 2},
                    "symbol": "circle-open" if reading == MATCHED else "circle"},
            text=[f"{TITLES[name]}, {reading}: ×{at:.3g}" for name, at in zip(shown, middle,
                                                                             strict=True)],
            hovertemplate="%{text}<extra></extra>")
    figure.add_vline(x=1, line={"color": ink(dark).muted, "width": 1})
    figure.update_xaxes(type="log", title="after / before")
    figure.update_yaxes(tickmode="array", tickvals=list(range(len(names))),
                        ticktext=[TITLES[name] for name in names], showgrid=False,
                        range=[len(names) - 0.5, -0.5])
    figure.update_layout(template=plotly_template(dark), height=130 + 46 * len(names))
    return figure


def _lengths(ends: Sequence[tuple[float, float]]) -> list[float]:
    return [high - low if math.isfinite(high - low) else 0.0 for low, high in ends]
