"""The curves of the compared runs, one figure per rate."""

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from app.figures import compare as figures
from app.figures.curves import METRICS
from app.figures.origin import Origin
from app.text import sections
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.figure_card import figure_card
from ngf_core.compare.readings import PURIFIED, model_title
from ngf_core.runs import Run
from ngf_core.runs.files import RECEIVED

TEXT = sections("compare")
RATES = ("asr", "acc")


def curves_card(runs: Mapping[str, Run], model: str, origin: Origin) -> None:
    """ASR and ACC along each run, by letter; of a training that of its one model."""
    st.header("Curves", anchor=False)
    points = {letter: of for letter, run in runs.items() if len(of := _points(run, model))}
    lines = {metric: {letter: of[of["metric"] == metric] for letter, of in points.items()
                      if (of["metric"] == metric).any()} for metric in RATES}
    lines = {metric: of for metric, of in lines.items() if of}
    if not lines:
        st.caption(TEXT["no curves"])
        return
    kinds = {run.kind for letter, run in runs.items() if letter in points}
    x = "Epoch" if kinds == {"train"} else "Step" if "train" not in kinds else "Step or epoch"
    named = " and ".join(METRICS[metric].label for metric in lines)
    figure_card([figures.curves(of, metric, x=x, dark=is_dark()) for metric, of in lines.items()],
                key="compare_curves",
                caption=TEXT["curves"].format(metric=named, model=model_title(model)),
                table=figures.stacked(
                    {letter: of[of["metric"].isin(RATES)] for letter, of in points.items()},
                    {letter: run.id for letter, run in runs.items()}),
                origin=origin, filename=f"curves-{model}", alt=_alt(lines))


def _points(run: Run, model: str) -> pd.DataFrame:
    """The rows of one model's rates; none where the run has none, or not yet."""
    points = run.points() if run.kind in ("train", "purify") else pd.DataFrame()
    if points.empty:
        return points
    methods = dict.fromkeys(points["method"])
    wanted = {RECEIVED: "train", PURIFIED: next(iter(methods))}.get(model, model)
    points = points[(points["method"] == wanted) & points["value"].notna()]
    return points.sort_values("step", kind="stable")


def _alt(lines: Mapping[str, Mapping[str, pd.DataFrame]]) -> str:
    ends = [f"{letter} {METRICS[metric].label} {of['value'].iloc[0]:.0%} to "
            f"{of['value'].iloc[-1]:.0%}" for metric, some in lines.items()
            for letter, of in some.items()]
    return f"Line charts. {'; '.join(ends)}."
