"""Features before and after as points; the images picked out of them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app import state
from app.figures import inside as figures
from app.figures.origin import Origin
from app.figures.samples import png, strip
from app.figures.triggers import enlargement
from app.read.inside import embedding_of
from app.text import sections
from app.text.outside import unlinked
from app.theme import style
from app.widgets.controls.address import choose
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.figure_card import figure_card
from ngf_core.config import PurifyConfig
from ngf_core.inside.models import Inside
from ngf_core.models.layer_names import LAST
from ngf_core.runs import Run

TEXT = sections("inside")
KEY, WORD, MOST = "inside_projection", "picked", 12
KINDS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
SIDE = 96


def projection_card(inside: Inside, run: Run, after: str | None, origin: Origin) -> None:
    """The points of the received model and of the one `after`; below, the images picked out."""
    kind = choose("projection", "Projection", KINDS, "pca")
    models = ["before", *([after] if after else [])]
    points, axes, caption = _points(inside, models, kind)
    tables = [figures.points_table(inside, model, points[model]) for model in models]
    picked = _picked(inside)
    titles = figures.group_titles(inside)
    whole = pd.concat(tables).assign(group=lambda rows: rows["group"].map(titles))
    figure_card(figures.projection(tables, titles, axes, picked, shared=kind == "pca",
                                   dark=is_dark()),
                key=KEY, caption=f"{caption} {TEXT['brush']}", table=whole,
                origin=origin, filename=f"features-{kind}-{run.id}", on_select=_brushed,
                selection=("points", "box", "lasso"), alt=_alt(inside, models))
    if after and (note := _note(inside, run, after)):
        st.markdown(TEXT[note].format(model=style(after).label))
    if picked:
        _images(inside, models, picked)


def _points(inside: Inside, models: list[str], kind: str
            ) -> tuple[dict[str, np.ndarray], tuple[str, str], str]:
    """Points by model, titles of the axes, caption."""
    counts = {"clean": f"{len(inside.images['clean']):,}",
              "triggered": f" and {len(inside.images['triggered']):,} triggered"
              if inside.has_trigger else ""}
    if kind != "pca":
        name = KINDS[kind]
        return ({model: embedding_of(inside.features(model), kind) for model in models},
                (f"{name} 1", f"{name} 2"), TEXT["embedding"].format(name=name, **counts))
    plane = inside.plane()
    axes = tuple(f"component {i} ({percent(share)})" for i, share in enumerate(plane.explained, 1))
    explained = f"{percent(sum(plane.explained))} of their variance"
    holds = "".join("; the same plane on both sides, which holds "
                    f"{percent(plane.holds(inside.features(model)))} of the variance of "
                    f"{style(model).label}" for model in models[1:])
    return ({model: plane.project(inside.features(model)) for model in models},
            (axes[0], axes[1]), TEXT["pca"].format(explained=explained, holds=holds, **counts))


def _note(inside: Inside, run: Run, after: str) -> str:
    """The sentence on what moved the features where only the last layer was tuned, else none."""
    if inside.same_features(after):
        return "same features"
    config = run.config_as(PurifyConfig)
    last = config.layers.get(after) in (LAST, inside.layers[-1])
    return "moved by BatchNorm" if last and config.batchnorm == "recalibrated" else ""


def percent(share: float) -> str:
    """ "52 %"; "an unknown share" where it is NaN. """
    return f"{100 * share:.0f} %" if math.isfinite(share) else "an unknown share"


def _alt(inside: Inside, models: list[str]) -> str:
    if not inside.has_trigger:
        return "Features of clean images as points."
    n = len(inside.images["triggered"])
    told = "; ".join(f"{figures.heading(model)}, {inside.obeying(model)} of {n} triggered images "
                     "get the attacker's label" for model in models)
    return f"Features of clean and triggered images as points. {told}."


def _picked(inside: Inside) -> list[str]:
    """The images in ?picked=; a word there that names none gives a toast."""
    there = set(figures.image_ids(inside))
    words = list(dict.fromkeys(filter(None, st.query_params.get(WORD, "").split(","))))
    wrong = [word for word in words if word not in there]
    if wrong and state.first_time(f"{WORD}={wrong[0]}"):
        st.toast(f"The link has {WORD}={unlinked(wrong[0][:60])}, which names none of these "
                 "images. The others are shown.", icon=":material/link_off:")
    return [word for word in words if word in there][:MOST]


def _brushed() -> None:
    """Put the images of the points just selected into the address."""
    state.write_url(WORD, ",".join(spread(ids_of(state.remembered(f"{KEY}_1")))) or None)


def spread(ids: Sequence[str]) -> list[str]:
    """At most `MOST` of them, evenly spread over their order."""
    return list(ids) if len(ids) <= MOST else [ids[i * len(ids) // MOST] for i in range(MOST)]


def ids_of(event: Mapping[str, Any] | None) -> list[str]:
    """The images of the selected points, each once."""
    points = (event or {}).get("selection", {}).get("points", [])
    return list(dict.fromkeys(str(point["customdata"][0]) for point in points
                              if point.get("customdata")))


def _images(inside: Inside, models: list[str], picked: list[str]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="inside_picked_head"):
        st.caption(TEXT["picked"].format(most=MOST))
        st.button("Clear", icon=":material/close:", key="inside_clear",
                  on_click=lambda: state.write_url(WORD, None))
    parts = {letter: part for part, letter in figures.LETTERS.items()}
    with st.grid(columns=6, min_column_width=130, key="inside_picked"):
        for word in picked:
            part, index = parts[word[0]], int(word[1:])
            with st.container(gap="xsmall"):
                _image(inside, models, part, index, word)


def _image(inside: Inside, models: list[str], part: str, index: int, word: str) -> None:
    picture, truth = inside.images[part][index], inside.truth[part][index]
    true = figures.name_of(inside, truth)
    st.image(png(strip(picture[None], enlargement(picture.shape[-1], SIDE))), width=SIDE,
             alt=f"{true}, {part}")
    st.markdown(f"**{word}** {true}" + (", triggered" if part == "triggered" else ""))
    lines = []
    for model in models:
        answer = inside.seen[model][part].answers[index]
        mark = ":material/check:" if answer == truth else ":material/close:"
        lines.append(f"{figures.heading(model)}: {mark} {figures.name_of(inside, answer)}")
    st.caption("  \n".join(lines))
