"""Sharpness measures of several models: the table, the changes against the received model.

`models` maps a model's name to its measures, each the entry of a spectrum run's results: title,
definition, moved_by, value, error, error_is, sampling_error, cost, and minus_before where the model
was compared with the received one.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from app.figures.spectrum import with_error
from app.theme import ink, plotly_template, style

Measures = Mapping[str, Mapping[str, Any]]

# Half width of a 95 % interval in standard errors.
WIDE = 1.96
RECEIVED = "before"


def table(models: Mapping[str, Measures]) -> pd.DataFrame:
    """Measures by models: value ± standard error, and the paired change of each."""
    rows = []
    for name, title in titles(models).items():
        row = {"measure": title}
        for model, measures in models.items():
            label, entry = style(model).label, measures.get(name)
            row[label] = "not measured" if entry is None else with_error(
                number(entry["value"]), whole_error(entry))
            if model != RECEIVED:
                row[f"{label} − {style(RECEIVED).label}"] = verdict(entry)
        rows.append(row)
    return pd.DataFrame(rows)


def verdict(entry: Mapping[str, Any] | None) -> str:
    """The paired change with its standard error, and its verdict in a word."""
    minus = (entry or {}).get("minus_before")
    if not minus:
        return "not measured"
    value, error = number(minus["value"]), whole_error(minus)
    if not math.isfinite(value) or not math.isfinite(error):
        return "not finite"
    word = "not resolved" if abs(value) <= WIDE * error else "sharper" if value > 0 else "flatter"
    return f"{signed(value, error)}, {word}"


def signed(value: float, error: float) -> str:
    """`with_error`, always with a sign."""
    return ("+" if value >= 0 else "−") + with_error(abs(value), error)


def titles(models: Mapping[str, Measures]) -> dict[str, str]:
    """Every measure that some model has, with its name on screen."""
    return {name: entry["title"] for measures in models.values()
            for name, entry in measures.items()}


def long_table(models: Mapping[str, Measures]) -> pd.DataFrame:
    """Everything behind the table, one row per measure and model, followed by the measure's layers.
    """
    rows = []
    for model, measures in models.items():
        for entry in measures.values():
            minus = entry.get("minus_before") or {}
            rows.append({
                "model": model, "measure": entry["title"], "value": entry["value"],
                "standard error over images": entry["sampling_error"],
                "error of computation": entry["error"], "which is": entry["error_is"],
                "minus before": minus.get("value"),
                "its paired error over images": minus.get("sampling_error"),
                "its error of computation": minus.get("error"),
                "cost": ", ".join(f"{n} {kind}" for kind, n in entry["cost"].items())})
            for part, (value, error) in (entry.get("parts") or {}).items():
                rows.append({"model": model, "measure": f"{entry['title']}, {part}",
                             "value": value, "error of computation": error,
                             "which is": entry["error_is"]})
    return pd.DataFrame(rows)


def changes(models: Mapping[str, Measures], *, dark: bool) -> go.Figure:
    """The change of each measure against the received model in % of it, with 95 % intervals.

    Left of zero is flatter, right is sharper.
    """
    figure, tone = go.Figure(), ink(dark)
    names = list(titles(models))
    tuned = [model for model in models if model != RECEIVED]
    apart = 0.5 / max(len(tuned), 1)
    for place, model in enumerate(tuned):
        styled, rows = style(model), []
        for at, name in enumerate(names):
            entry, base = models[model].get(name), models.get(RECEIVED, {}).get(name)
            found = _relative(entry, base)
            if found is not None:
                rows.append((at + (place - (len(tuned) - 1) / 2) * apart, *found))
        places, change, half = np.array(rows).reshape(-1, 3).T
        figure.add_scatter(
            x=change, y=places, mode="markers", name=styled.label,
            error_x={"type": "data", "array": half, "thickness": 2, "width": 5,
                     "color": styled.color},
            marker={"color": styled.color, "symbol": styled.symbol, "size": 10},
            customdata=half,
            hovertemplate=styled.label + " %{x:+.1f} % ± %{customdata:.1f}<extra></extra>")
    figure.add_vline(x=0, line={"color": tone.muted, "width": 1.5})
    figure.update_xaxes(title="change in %", zeroline=False)
    figure.update_yaxes(tickmode="array", tickvals=list(range(len(names))),
                        ticktext=[titles(models)[name] for name in names],
                        range=[len(names) - 0.4, -0.6], showgrid=False)
    figure.update_layout(template=plotly_template(dark), height=130 + 42 * len(names))
    return figure


def _relative(entry: Mapping[str, Any] | None, base: Mapping[str, Any] | None
              ) -> tuple[float, float] | None:
    """Change and half its 95 % interval, in % of the received model's value."""
    minus = (entry or {}).get("minus_before")
    if not minus or base is None:
        return None
    value, error, scale = number(minus["value"]), whole_error(minus), number(base["value"])
    if not math.isfinite(value) or not math.isfinite(error) or not math.isfinite(scale) \
            or scale == 0:
        return None
    return 100 * value / abs(scale), 100 * WIDE * error / abs(scale)


def whole_error(entry: Mapping[str, Any]) -> float:
    """The error over the images and of the computation together, of a value or a change."""
    return math.hypot(number(entry["sampling_error"]), number(entry["error"] or 0.0))


def number(value: float | None) -> float:
    """A value that was not finite is null in a run's files."""
    return math.nan if value is None else float(value)
