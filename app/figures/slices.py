"""The loss along one eigenvector, beside the parabola that its eigenvalue promises."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from app.theme import ink, plotly_template
from app.theme import style as method_style


@dataclass(frozen=True)
class Slice:
    """The measured loss (n,) of one model at the distances t (n,) along a unit eigenvector, with
    its eigenvalue, that one's Ritz residual and the slope at t = 0."""

    model: str
    t: np.ndarray
    loss: np.ndarray
    value: float
    residual: float
    slope: float

    @property
    def parabola(self) -> np.ndarray:
        """L(0) + slope t + λ t² / 2 at each t: what the loss is up to third order."""
        start = self.loss[int(np.abs(self.t).argmin())]
        return start + self.slope * self.t + self.value * self.t**2 / 2

    @property
    def farthest(self) -> float:
        """How far, in nats, the loss gets from the parabola; NaN where no loss is finite."""
        apart = np.abs(self.loss - self.parabola)
        apart = apart[np.isfinite(apart)]
        return float(apart.max()) if len(apart) else float("nan")


def slice_figure(drawn: Slice, *, dark: bool) -> go.Figure:
    """The loss along the eigenvector with a dot at each measured place, the parabola dotted."""
    style, tone = method_style(drawn.model), ink(dark)
    figure = go.Figure()
    figure.add_scatter(x=drawn.t, y=drawn.parabola, mode="lines", name="parabola of λ",
                       line={"color": tone.text, "width": 2, "dash": "dot"},
                       hovertemplate="parabola of λ<br>t = %{x:.3g}<br>%{y:.4g}<extra></extra>")
    figure.add_scatter(x=drawn.t, y=np.where(np.isfinite(drawn.loss), drawn.loss, np.nan),
                       mode="lines+markers", name=f"{style.label}, measured", connectgaps=False,
                       line={"color": style.color, "width": 3},
                       marker={"color": style.color, "symbol": style.symbol, "size": 7},
                       hovertemplate="measured<br>t = %{x:.3g}<br>%{y:.4g}<extra></extra>")
    figure.update_xaxes(title="distance t along the eigenvector (in weights)")
    figure.update_yaxes(title="cross-entropy loss")
    figure.update_layout(template=plotly_template(dark), height=360)
    return figure


def slice_table(drawn: Slice) -> pd.DataFrame:
    """The numbers behind `slice_figure`."""
    return pd.DataFrame({"t": drawn.t, "loss": drawn.loss, "parabola": drawn.parabola})
