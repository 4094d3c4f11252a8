"""The leaderboard: one row per defense, our results beside those of papers, sortable."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app.figures.leaderboard import interval
from app.text import define, sections
from app.theme import style
from app.widgets.controls.appearance import is_dark
from ngf_core.evidence.measures import BEFORE, BENIGN, MEASURES, wide
from ngf_core.evidence.published import beside
from ngf_core.evidence.rank import rank_text

TEXT = sections("leaderboard")
PUBLISHED = ("Published ASR", "Published ACC", "Published in")
# Text and background colours that differ from ours, on a light and on a dark page.
THEIRS = {False: "color: #7A3E00; background-color: #FFF1E0",
          True: "color: #FDBE85; background-color: #33241A"}
REFERENCES = (BEFORE, BENIGN)
WIDTHS = {"acc_drop": 85, "tuned": 115}


def board_frame(cells: pd.DataFrame, ranks: pd.DataFrame, by: str,
                attacks: Sequence[str]) -> pd.DataFrame:
    """One row per defense of `ranks` (see `ranking`, of the measure `by`), then the backdoored and
    the benign model for comparison; rates in percent.

    All means are over the same cells as the ranks; the published ones over the same attacks, if
    papers have any.
    """
    means = {name: wide(cells, name).mean() for name in MEASURES}
    theirs = beside(list(attacks))
    rows = []
    for name in [*ranks.index, *(model for model in REFERENCES if model in means["acc"])]:
        row: dict[str, object] = {"Rank": "", "Defense": style(str(name)).label}
        if name in ranks.index:
            mine = ranks.loc[name]
            row["Rank"] = rank_text(int(mine["first"]), int(mine["last"]))
            row["95 % interval"] = interval(mine, MEASURES[by]).strip(" ()")
            row["Spread"] = _factor(by) * mine["spread"]
            row["Cells"] = int(mine["n"])
        for key, measure in MEASURES.items():
            row[measure.title] = _factor(key) * means[key].get(name, float("nan"))
        if name in theirs.index:
            paper = theirs.loc[name]
            row |= dict(zip(PUBLISHED, (paper["asr"], paper["acc"],
                                        f"{paper['source']}; mean of {paper['n']} attacks, "
                                        "CIFAR10, PreActResNet18, 1 % clean"), strict=True))
        rows.append(row)
    frame = pd.DataFrame(rows, columns=columns(by)).astype({"Cells": "Int64"})
    return frame if frame[PUBLISHED[2]].notna().any() else frame.drop(columns=list(PUBLISHED))


def columns(by: str) -> list[str]:
    """The columns in order: the ranking measure comes first, with interval and spread."""
    first = MEASURES[by].title
    others = [measure.title for measure in MEASURES.values() if measure.title != first]
    return ["Rank", "Defense", first, "95 % interval", "Spread", "Cells", *others[:4],
            *PUBLISHED[:2], *others[4:], PUBLISHED[2]]


def leaderboard_table(frame: pd.DataFrame, by: str) -> None:
    """Draw the table with a tooltip on each column heading."""
    theirs = [name for name in PUBLISHED if name in frame]
    highlight = THEIRS[is_dark()]
    styled = frame.style.map(lambda value: highlight, subset=theirs) if theirs else frame
    st.dataframe(styled, key="board", hide_index=True, height=35 * (len(frame) + 1) + 3,
                 placeholder="–", column_config=_config(by),
                 alt=f"Leaderboard of {len(frame)} models by {MEASURES[by].title}.")
    st.download_button("Download CSV", lambda: frame.to_csv(index=False).encode(),
                       file_name=f"leaderboard-{by}.csv", mime="text/csv", key="board_csv",
                       on_click="ignore")


def meaning(title: str) -> str:
    """The meaning of a column: the page's own text, else the glossary's."""
    return TEXT.get(f"about {title}") or define(title)


def _config(by: str) -> dict[str, Any]:
    number = st.column_config.NumberColumn
    config: dict[str, Any] = {
        measure.title: number(format=_format(name), width=WIDTHS.get(name, 75),
                              help=f"{meaning(measure.title)} Mean over the cells shown.")
        for name, measure in MEASURES.items()}
    config |= {
        "Rank": st.column_config.TextColumn(width=60, pinned=True, help=TEXT["about rank"]),
        "Defense": st.column_config.TextColumn(width=112, pinned=True, help=TEXT["about defense"]),
        "95 % interval": st.column_config.TextColumn(width=110, help=TEXT["about interval"]),
        "Spread": number(format=_format(by), width="small", help=TEXT["about spread"]),
        "Cells": number(format="%d", width=60, help=TEXT["about cells"])}
    config |= {name: number(format="%.1f %%", width=112, help=TEXT["about published"])
               for name in PUBLISHED[:2]}
    config[PUBLISHED[2]] = st.column_config.TextColumn(help=TEXT["about published"])
    return config


def _factor(name: str) -> float:
    return 100.0 if MEASURES[name].unit == "%" else 1.0


def _format(name: str) -> str:
    if name == "acc_drop":
        return "%.1f points"
    if MEASURES[name].unit == "%":
        return "%.1f %%"
    return "%,.0f" if name in ("passes", "tuned", "trace", "lambda_max") else "%.1f"
