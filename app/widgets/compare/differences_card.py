"""The differences from the baseline: figure, table, what was refused and why, the command."""

import functools
import math
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app.figures import compare as figures
from app.figures.origin import Origin
from app.text import define_all, sections
from app.text.outside import unlinked
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.figure_card import figure_card
from ngf_core.compare.differences import Comparison, Row
from ngf_core.compare.intervals import POINTS, RATIO
from ngf_core.compare.report import change, difference_rows, letters, limits, table

TEXT = sections("compare")
UNITS = {POINTS: "rates", RATIO: "sharpness"}


def differences_card(found: Comparison, model: str, origin: Origin) -> None:
    """Everything that could be subtracted of one model, and everything that could not."""
    st.header("Differences", anchor=False, help=define_all("ACC", "ASR", "RA", "Interval"))
    rows = [row for row in found.rows if row.model == model]
    if len(found.groups) == 1:
        st.markdown(TEXT["repeats"])
    if rows:
        _figures(found, rows, origin)
    elif len(found.groups) > 1:
        st.info(TEXT["nothing"], icon=":material/block:")
    if found.refused:
        lines = "\n".join(f"- {unlinked(sentence)}" for sentence in found.refused)
        st.markdown(f"**{TEXT['refused']}**\n\n{lines}")
    if rows:
        _table(found, rows)
    st.caption(unlinked(" ".join((*found.notes, *limits(rows)))))
    st.markdown("**The command behind it**")
    st.code(origin.command, language="bash", wrap_lines=True)


def _figures(found: Comparison, rows: Sequence[Row], origin: Origin) -> None:
    of_ids = functools.partial(letters, found)
    shown = {unit: [row for row in rows if row.unit == unit and math.isfinite(row.change)]
             for unit in UNITS}
    shown = {unit: some for unit, some in shown.items() if some}
    if not shown:
        return
    told = [row for some in shown.values() for row in some]
    figure_card([figures.differences(some, of_ids, dark=is_dark()) for some in shown.values()],
                key="compare_differences", caption=TEXT["differences"],
                table=table(found, told),
                origin=origin, filename=f"differences-{'-'.join(found.letters)}"[:120],
                alt="Change from the baseline: " + "; ".join(
                    f"{of_ids(row.runs)} {row.title} {change(row)}" for row in told) + ".")


def _table(found: Comparison, rows: Sequence[Row]) -> None:
    head, *told = difference_rows(found, rows)
    st.dataframe(pd.DataFrame(told, columns=head).drop(columns="model"), key="compare_table",
                 hide_index=True, height="content",
                 alt=f"Table of {len(told)} measures with their changes and intervals.")
    st.download_button("Download CSV", lambda: table(found, rows).to_csv(index=False).encode(),
                       "comparison.csv", "text/csv", key="compare_csv", on_click="ignore",
                       help="With run ids, n, the settings that differ and the command.")
