"""What an audit found: the verdict, the ratios, the controls, the evidence of convergence."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app import state
from app.figures import audit as figures
from app.figures.landscape import contour_row, panels, plane_table
from app.figures.origin import Origin
from app.text import sections
from app.theme import style
from app.widgets.controls.address import choose_some
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.figure_card import figure_card
from app.widgets.runs.run_name import attack_name
from ngf_core.evidence import audit_report as report
from ngf_core.evidence.audit_verdict import (
    conditions_of,
    estimates,
    judge,
    unit,
    unit_name,
)
from ngf_core.runs import Run

TEXT = sections("audit")
SHOWN: dict[str, Any] = {"flatter": st.success, "sharper": st.error, "none": st.info,
                         "not resolved": st.info}


def together(run: Run) -> list[Run]:
    """The audit `run`, and those that the user lets repeat it: of the same settings on other
    models, the newest per model."""
    mine = run.results
    same = {unit(mine): run}
    for other in state.store().list("audit"):
        if other.state == "done" and other.id != run.id and _alike(other.results, mine):
            same.setdefault(unit(other.results), other)
    others = {_word(one): unit_name(of.results) for one, of in same.items()
              if of is not run}
    if not others:
        return [run]
    chosen = choose_some("with", "Judged together with", others, list(others),
                         help=TEXT["together"])
    return [run, *(of for one, of in same.items() if _word(one) in chosen)]


def _alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return (one.get("format") == other.get("format")
            and one["models"]["after"]["model"] == other["models"]["after"]["model"]
            and conditions_of(one) == conditions_of(other)
            and one["models"]["before"]["weights"] != other["models"]["before"]["weights"])


def _word(one: tuple[str, str]) -> str:
    return "-".join(one).replace(" ", "")


def verdict_card(pairs: Sequence[dict[str, Any]]) -> None:
    """The verdict in its own words, with what refused it."""
    verdict = judge(pairs)
    lines = "\n".join(f"- {sentence}" for sentence in verdict.because)
    SHOWN.get(verdict.word, st.warning)(f"**{verdict.sentence}**\n\n{lines}".strip(),
                                        icon=":material/gavel:")


def ratio_card(pairs: Sequence[dict[str, Any]], origin: Origin, *, key: str = "audit_ratios"
               ) -> None:
    """After / before of every measure, over the pairs or over the images of a single one."""
    found = estimates(pairs) if len(pairs) > 1 else figures.single(pairs[0])
    table = figures.ratio_table(found)
    over = "interval pairs" if len(pairs) > 1 else "interval images"
    figure_card(figures.ratios(found, pairs[0]["models"]["after"]["model"], dark=is_dark()),
                key=key, caption=TEXT["ratios"].format(interval=TEXT[over]),
                table=table, origin=origin, filename="audit-ratios",
                alt="After over before: " + "; ".join(
                    f"{row['measure']} {row['logits']} {row['after / before']:.3g}"
                    for _, row in table.iterrows() if math.isfinite(row["after / before"])) + ".")


def pair_table(pair: dict[str, Any]) -> None:
    """Every measure of one pair with its errors."""
    attack, model = unit(pair)
    ends = " → ".join(style(pair["models"][role]["model"]).label for role in ("before", "after"))
    st.header(f"{attack_name(attack)}, {model}: {ends}", anchor=False)
    _table(report.measures(pair), "audit_measures")
    st.caption(f"{report.conditions(pair)} ± is the standard error over images; the ratios' "
               "intervals are paired, image by image.")
    st.markdown(TEXT["moved"])


def control_card(pair: dict[str, Any]) -> None:
    """What moves without a change of any answer."""
    st.header(TEXT["controls"], anchor=False)
    st.markdown(TEXT["controls text"])
    for sentence in report.controls(pair):
        st.markdown(f"- {sentence}")


def plane_card(pair: dict[str, Any], origin: Origin) -> None:
    """Both models on one random plane, and what it cannot tell."""
    st.header(TEXT["plane"], anchor=False)
    of, name = pair["plane"], pair["models"]["after"]["model"]
    side = np.array(of["side"])
    losses = {model: np.array(of[role], float) for role, model in
              (("before", "before"), ("after", name if name != "before" else "after"))}
    sentences = report.plane(pair)
    row = contour_row(side, side, losses, log=True, dark=is_dark(),
                      axes=("direction 1", "direction 2"))
    figure_card(panels(row),
                key="audit_plane", caption=TEXT["plane text"], origin=origin,
                table=plane_table(side, side, losses), filename="audit-plane",
                alt=" ".join(sentences))
    for sentence in sentences:
        st.markdown(f"- {sentence[0].upper()}{sentence[1:]}")


def evidence_card(pair: dict[str, Any]) -> None:
    """Whether λ_max is the largest eigenvalue, by three independent ways."""
    st.header(TEXT["evidence"], anchor=False)
    _table(report.evidence(pair), "audit_evidence")
    st.caption(TEXT["evidence text"])


def _table(rows: list[list[str]], key: str) -> None:
    st.dataframe(pd.DataFrame(rows[1:], columns=rows[0]), key=key, hide_index=True,
                 width="stretch", height="content")
