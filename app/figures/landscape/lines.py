"""Loss along lines and paths, one curve per model and kind of images."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from app.figures.landscape.scale import extent, height
from app.theme import ink, label_color, plotly_template
from app.theme import style as method_style

WIDTHS = {"clean": 1.5, "triggered": 4}
Curves = Mapping[str, Mapping[str, np.ndarray]]


def line(t: np.ndarray | Mapping[str, np.ndarray], curves: Curves, *, log: bool, dark: bool,
         axis: str = "distance t (filter-normalised)",
         marks: Mapping[float, str] | None = None, points: bool = False) -> go.Figure:
    """Clean (thin) and triggered (thick) loss along one direction through each model.

    `curves` maps a model's name to its losses at each `t`, or at its own `t[name]`: "clean" and,
    for a backdoored model, "triggered". `axis` names t; `marks` are the places that get a dotted
    line and a word above it (t = 0 where not given); `points` draws a dot at each computed place.
    """
    figure = go.Figure()
    ends = []
    for kind in [k for k in WIDTHS if any(k in losses for losses in curves.values())]:
        figure.add_scatter(x=[None], y=[None], mode="lines", name=f"{kind} images",
                           line={"color": ink(dark).text, "width": WIDTHS[kind]})
    for name, losses in curves.items():
        style, places = method_style(name), t[name] if isinstance(t, Mapping) else t
        for kind, loss in losses.items():
            drawn = height(loss, log)
            label = f"{style.label}, {kind}"
            figure.add_scatter(x=places, y=np.where(np.isfinite(drawn), loss, np.nan),
                               mode="lines+markers" if points else "lines",
                               name=label, connectgaps=False, showlegend=False,
                               line={"color": style.color, "dash": style.dash,
                                     "width": WIDTHS[kind]},
                               marker={"size": 4 + WIDTHS[kind], "symbol": style.symbol},
                               hovertemplate=label + "<br>%{x:.3g}<br>loss %{y:.4g}"
                                                     "<extra></extra>")
            finite = np.flatnonzero(np.isfinite(drawn))
            if len(finite):
                text = f"<b>{style.label}</b>" if kind == "triggered" else style.label
                ends.append((float(drawn[finite[-1]]), text, label_color(style.color, dark)))
    for place, word in ({0.0: ""} if marks is None else marks).items():
        figure.add_vline(x=place, line={"color": ink(dark).muted, "width": 1, "dash": "dot"})
        if word:
            figure.add_annotation(x=place, y=1, yref="paper", yanchor="bottom", text=word,
                                  showarrow=False, font={"color": ink(dark).muted, "size": 13})
    low, high = extent(height(loss, log) for losses in curves.values()
                      for loss in losses.values())
    margin = 0.04 * (high - low)
    _label_ends(figure, ends, (high - low) / 17)
    figure.update_yaxes(title="cross-entropy loss", type="log" if log else "linear",
                        tickformat="~g", range=[low - margin, high + margin])
    figure.update_xaxes(title=axis)
    figure.update_layout(template=plotly_template(dark), height=440,
                         margin={"r": 110, "t": 56 if marks else 36})
    return figure


def line_table(t: np.ndarray | Mapping[str, np.ndarray], curves: Curves) -> pd.DataFrame:
    """The numbers behind `line`: one row per position, or per model and position where each has its
    own."""
    if isinstance(t, Mapping):
        return pd.concat([pd.DataFrame({"model": name, "t": t[name]} | dict(losses))
                          for name, losses in curves.items()], ignore_index=True)
    columns = {"t": t}
    for name, losses in curves.items():
        columns |= {f"{name} {kind}": loss for kind, loss in losses.items()}
    return pd.DataFrame(columns)


def _label_ends(figure: go.Figure, ends: list[tuple[float, str, str]], gap: float) -> None:
    """Name each curve at its right end, pushed at least `gap` apart where labels would overlap.

    `ends` holds the height of each end in axis coordinates (log10 on a log axis). The topmost
    label stays at its line; the others are moved downwards.
    """
    place = np.inf
    for y, text, color in sorted(ends, reverse=True):
        place = min(y, place - gap)
        figure.add_annotation(x=1.0, xref="paper", xanchor="left", y=y, yref="y", ax=24,
                              axref="pixel", ay=place, ayref="y", text=text, showarrow=True,
                              arrowhead=0, arrowwidth=1, arrowcolor=color,
                              font={"color": color, "size": 13})
