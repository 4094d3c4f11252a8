"""Features as points, with the images that are picked out marked in every picture."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from app.theme import ink, plotly_template, style

if TYPE_CHECKING:
    from ngf_core.inside.models import Inside

CLEAN, TARGET, OBEYED, RESISTED = "clean", "target", "obeyed", "resisted"
# The attacker's colour and the true label's are those of the first screen.
LOOKS = {CLEAN: ("#8A8A8A", "circle", 6), TARGET: ("#4477AA", "diamond", 7),
         OBEYED: ("#AA3377", "circle", 8), RESISTED: ("#AA3377", "circle-open", 8)}
LETTERS = {"clean": "c", "triggered": "t"}
TALL = 430


def image_id(part: str, index: int) -> str:
    """The short name of an image of one look: "c17" clean, "t3" triggered."""
    return f"{LETTERS[part]}{index}"


def image_ids(inside: "Inside") -> list[str]:
    """Those of all images, clean first: the order of `Inside.features`."""
    return [image_id(part, i) for part in LETTERS if part in inside.images
            for i in range(len(inside.images[part]))]


def attackers_label(inside: "Inside") -> int | None:
    """The one label that the attacker wants; None where there are several or none."""
    wanted = set() if inside.wanted is None else set(inside.wanted.tolist())
    return wanted.pop() if len(wanted) == 1 else None


def points_table(inside: "Inside", model: str, points: np.ndarray) -> pd.DataFrame:
    """One row per image: image, group, true label, answer, x, y; points as of `Inside.features`."""
    label, rows = attackers_label(inside), []
    for part in LETTERS:
        if part not in inside.images:
            continue
        answers = inside.seen[model][part].answers
        for i, (truth, answer) in enumerate(zip(inside.truth[part], answers, strict=True)):
            if part == "clean":
                group = TARGET if truth == label else CLEAN
            else:
                assert inside.wanted is not None
                group = OBEYED if answer == inside.wanted[i] else RESISTED
            rows.append([image_id(part, i), group, name_of(inside, truth), name_of(inside, answer)])
    table = pd.DataFrame(rows, columns=["image", "group", "true label", "answer"])
    return table.assign(model=model, x=points[:, 0], y=points[:, 1])


def name_of(inside: "Inside", label: int) -> str:
    """A class's name; "unknown" for -1."""
    return inside.class_names[label] if label >= 0 else "unknown"


def group_titles(inside: "Inside") -> dict[str, str]:
    """The groups of points that there are, in words."""
    label = attackers_label(inside)
    titles = {CLEAN: "clean"}
    if label is not None:
        titles[TARGET] = f"clean, {name_of(inside, label)} (attacker's label)"
    if inside.has_trigger:
        titles |= {OBEYED: "triggered, answered as the attacker wants",
                   RESISTED: "triggered, answered otherwise"}
    return titles


def projection(tables: Sequence[pd.DataFrame], titles: Mapping[str, str], axes: tuple[str, str],
               picked: Collection[str], *, shared: bool, dark: bool) -> list[go.Figure]:
    """One panel per model, its images as points by group; those picked out are ringed.

    tables: of `points_table`. shared: the panels show one plane, and have the same axes.
    """
    reach = _reach(tables) if shared else (None, None)
    return [_panel(table, titles, axes, reach, picked, place == 0, dark)
            for place, table in enumerate(tables)]


def _panel(table: pd.DataFrame, titles: Mapping[str, str], axes: tuple[str, str],
           reach: tuple[list[float] | None, list[float] | None], picked: Collection[str],
           first: bool, dark: bool) -> go.Figure:
    figure, tone = go.Figure(), ink(dark)
    for group, title in titles.items():
        color, symbol, size = LOOKS[group]
        rows = table[table["group"] == group]
        figure.add_scatter(
            x=rows["x"], y=rows["y"], mode="markers", name=title, customdata=rows[["image"]],
            marker={"color": color, "symbol": symbol, "size": size, "opacity": 0.75,
                    "line": {"width": 1.6 if symbol.endswith("open") else 0, "color": color}},
            # Those that are not selected stay legible.
            unselected={"marker": {"opacity": 0.3}},
            text=[f"{image}: true {truth}, answer {answer}" for image, truth, answer in zip(
                rows["image"], rows["true label"], rows["answer"], strict=True)],
            hovertemplate="%{text}<extra></extra>")
    ringed = table[table["image"].isin(picked)]
    figure.add_scatter(x=ringed["x"], y=ringed["y"], mode="markers", name="picked out",
                       hoverinfo="skip", showlegend=False,
                       marker={"color": tone.text, "symbol": "circle-open", "size": 15,
                               "line": {"width": 2, "color": tone.text}},
                       unselected={"marker": {"opacity": 1}})
    for update, title, of in ((figure.update_xaxes, axes[0], reach[0]),
                              (figure.update_yaxes, axes[1], reach[1])):
        update(title=title, range=of, zeroline=False, showticklabels=False, ticks="")
    figure.update_layout(
        template=plotly_template(dark), height=TALL, dragmode="lasso" if first else False,
        title=f"<b>{heading(str(table['model'].iloc[0]))}</b>")
    return figure


def heading(model: str) -> str:
    """A model's name over a panel."""
    return "As received" if model == "before" else f"After {style(model).label}"


def _reach(tables: Sequence[pd.DataFrame]) -> tuple[list[float], list[float]]:
    """The ranges of x and y that hold the points of all tables."""
    ends = []
    for axis in ("x", "y"):
        low = min(float(table[axis].min()) for table in tables)
        high = max(float(table[axis].max()) for table in tables)
        pad = 0.05 * (high - low) or 1.0
        ends.append([low - pad, high + pad])
    return ends[0], ends[1]
