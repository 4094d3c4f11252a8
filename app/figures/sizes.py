"""The claim over the size of the network: one panel per data set and part of the claim."""

import math

import pandas as pd
import plotly.graph_objects as go

from app.figures.claim import model_style
from app.theme import MethodStyle, ink, plotly_template
from ngf_core.data import DATASETS
from ngf_core.evidence.aims import MOST_ASR
from ngf_core.evidence.entrants import CLAIMED
from ngf_core.evidence.measures import BEFORE
from ngf_core.evidence.sizes import FLATTER, PARTS, REMOVED, SHARPER, WEIGHTS
from ngf_core.evidence.sizes_words import interval_text, training_text, weights_text
from ngf_core.evidence.verdict import OPEN, measure_title

TITLES = {SHARPER: "backdoored / benign", REMOVED: "ASR", FLATTER: "purified / backdoored"}
LABELS = ("78 k", "0.7 M", "2.8 M", "11.2 M")
APART = 0.13  # decades between the models of one size, so that their intervals lie side by side
EDGES = (4.55, 7.4)  # of the axis of weights, in decades
ORDER = ("backdoored", BEFORE, *CLAIMED)


def size_panels(models: pd.DataFrame, means: pd.DataFrame, measure: str, *, dark: bool
                ) -> list[go.Figure]:
    """Small multiples: a row of three parts per data set, the number of weights along x.

    models, means: those of `ngf_core.evidence.sizes`. Pale marks are models, large ones their mean
    with its 95 % interval; a hollow one is not resolved. measure: of sharpness.
    """
    models, means = (frame[frame["measure"].isin([measure, "asr"])] for frame in (models, means))
    reach = _reach(models, means)
    return [_panel(_of(models, dataset, part), _of(means, dataset, part),
                   f"{DATASETS[dataset].title}: {_title(part, measure)}", part == REMOVED, reach,
                   dark)
            for dataset in dict.fromkeys(means["dataset"]) for part in PARTS]


def size_table(means: pd.DataFrame) -> pd.DataFrame:
    """Every mean with its interval, n, seeds and verdict, one row each."""
    rate = means["part"] == REMOVED
    return pd.DataFrame({
        "data set": means["dataset"].map(lambda name: DATASETS[name].title),
        "network": means["arch"], "weights": means["weights"],
        "training": [training_text(row) for row in means.to_dict("records")],
        "part": means["part"].map(lambda name: PARTS[name].claim),
        "model": [model_style(name).label if part == REMOVED else _pair(name) for name, part in
                  zip(means["model"], means["part"], strict=True)],
        "measure": [name.upper() + ", %" if part == REMOVED else f"ratio of {measure_title(name)}"
                    for name, part in zip(means["measure"], means["part"], strict=True)],
        **{name: means[name].astype(float).where(~rate, 100 * means[name].astype(float)).round(3)
           for name in ("mean", "low", "high", "spread")},
        "n": means["n"], "seeds": means["seeds"], "verdict": means["verdict"]})


def size_alt(means: pd.DataFrame, measure: str) -> str:
    """The means in words, panel by panel."""
    told = []
    for (dataset, part), rows in means[means["measure"].isin([measure, "asr"])].groupby(
            ["dataset", "part"], sort=False):
        unit = " %" if part == REMOVED else ""
        values = "; ".join(
            f"{model_style(row['model']).label if part == REMOVED else _pair(row['model'])} at "
            f"{weights_text(row['arch'])} weights {interval_text(row)}{unit}, n = {row['n']}"
            for row in rows.to_dict("records"))
        told.append(f"{DATASETS[str(dataset)].title}, {_title(str(part), measure)}: {values}.")
    return " ".join(told)


def _of(frame: pd.DataFrame, dataset: str, part: str) -> pd.DataFrame:
    return frame[(frame["dataset"] == dataset) & (frame["part"] == part)]


def _title(part: str, measure: str) -> str:
    return TITLES[part] + ("" if part == REMOVED else f", {measure_title(measure)}")


def _pair(comparison: str) -> str:
    if comparison == "backdoored":
        return "Backdoored / benign"
    return f"{model_style(comparison).label} / backdoored"


def _panel(models: pd.DataFrame, means: pd.DataFrame, title: str, rate: bool,
           reach: tuple[float, float], dark: bool) -> go.Figure:
    figure, tone = go.Figure(), ink(dark)
    names = [name for name in ORDER if name in set(means["model"])]
    scale = 100 if rate else 1
    for turn, name in enumerate(names):
        shift = 10 ** (APART * (turn - (len(names) - 1) / 2))
        own = [frame[frame["model"] == name] for frame in (models, means)]
        _dots(figure, own[0], shift, scale, model_style(name))
        _bars(figure, own[1], shift, scale, model_style(name))
    for weights in (WEIGHTS[arch] for arch in WEIGHTS if arch not in set(means["arch"])):
        figure.add_annotation(x=math.log10(weights), y=0.5, yref="paper", text="not measured",
                              textangle=-90, showarrow=False,
                              font={"size": 12, "color": tone.muted})
    figure.add_hline(y=100 * MOST_ASR if rate else 1, line={
        "color": tone.muted if rate else tone.text, "width": 1.5,
        "dash": "dot" if rate else "solid"})
    _axes(figure, rate, reach)
    figure.update_layout(
        template=plotly_template(dark), height=380, showlegend=len(names) > 1,
        title=f"<b>{title}</b>")
    return figure


def _axes(figure: go.Figure, rate: bool, reach: tuple[float, float]) -> None:
    figure.update_xaxes(type="log", range=list(EDGES), tickvals=list(WEIGHTS.values()),
                        ticktext=list(LABELS), zeroline=False,
                        title="weights of the network")
    if rate:
        figure.update_yaxes(range=[-4, 104], zeroline=False, title="ASR, %")
    else:
        ticks = [t for t in (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100) if reach[0] <= t <= reach[1]]
        figure.update_yaxes(type="log", range=[math.log10(end) for end in reach], tickvals=ticks,
                            ticktext=[f"{t:g}" for t in ticks], zeroline=False,
                            title="ratio (above 1: sharper)")


def _dots(figure: go.Figure, models: pd.DataFrame, shift: float, scale: int,
          drawn: MethodStyle) -> None:
    figure.add_scatter(
        x=models["weights"] * shift, y=models["value"] * scale, mode="markers", showlegend=False,
        marker={"color": drawn.color, "symbol": drawn.symbol, "size": 5, "opacity": 0.4},
        text=[f"{attack}, seed {seed}" for attack, seed in
              zip(models["attack"], models["seed"], strict=True)],
        hovertemplate=f"{drawn.label}<br>%{{text}}: %{{y:.3g}}<extra></extra>")


def _bars(figure: go.Figure, means: pd.DataFrame, shift: float, scale: int,
          drawn: MethodStyle) -> None:
    mean, low, high = (means[name].astype(float) * scale for name in ("mean", "low", "high"))
    figure.add_scatter(
        x=means["weights"] * shift, y=mean, mode="lines+markers", name=drawn.label,
        line={"color": drawn.color, "dash": drawn.dash, "width": 1.5},
        error_y={"type": "data", "array": (high - mean).fillna(0), "width": 4, "thickness": 2,
                 "arrayminus": (mean - low).fillna(0), "color": drawn.color},
        marker={"color": drawn.color, "size": 11, "line": {"color": drawn.color, "width": 2},
                "symbol": [drawn.symbol + "-open" * (word == OPEN) for word in means["verdict"]]},
        text=[f"{interval_text(row)}, n = {row['n']}, seeds {row['seeds']}<br>{row['verdict']}"
              for row in means.to_dict("records")],
        hovertemplate=f"{drawn.label}<br>%{{text}}<extra></extra>")


def _reach(models: pd.DataFrame, means: pd.DataFrame) -> tuple[float, float]:
    """One range for all ratios, at least from 1/3 to 3, so that small differences look small.

    Intervals of a few models may be so wide that the means would lie on one line; those beyond a
    factor of 30 run out of the panel.
    """
    models, means = (frame[frame["part"] != REMOVED] for frame in (models, means))
    inner = pd.concat([models["value"], means["mean"]]).astype(float)
    outer = pd.concat([means["low"], means["high"]]).astype(float).clip(1 / 30, 30)
    values = pd.concat([inner, outer, pd.Series([1 / 3, 3.0])]).dropna()
    return float(values.min()) / 1.15, float(values.max()) * 1.15
