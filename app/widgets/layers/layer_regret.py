"""How far each rule's pick is from the oracle's over all attacks, from the benchmark's tables."""

import pandas as pd
import streamlit as st

from app.figures import regret as figures
from app.figures.origin import of_table
from app.read.once import once
from app.text import define, sections
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.figure_card import figure_card
from app.widgets.layers.layer_rules import rule_title
from app.widgets.runs.run_name import attack_name
from ngf_core.errors import NGFError
from ngf_core.evidence import LAYERS_COMMAND, load, tables_folder

TEXT = sections("layers")


def layer_regret() -> None:
    """The rules compared over every model of the benchmark; a note where its table is missing."""
    st.header(TEXT["across"], anchor=False, help=define("Regret"))
    if not (tables_folder() / "layers.parquet").is_file():
        st.caption(TEXT["no table"])
        return
    try:
        table = once(_regrets, load("layers"), load("cells"))
    except NGFError as error:
        st.caption(f"{TEXT['not measured']} {error}")
        return
    if table.empty:
        st.caption(TEXT["not measured"])
        return
    models = table[["attack", "seed"]].drop_duplicates()
    figure_card(once(figures.regret_figure, table, dark=is_dark()), key="layers_regret",
                caption=TEXT["across text"].format(models=len(models),
                                                   attacks=models["attack"].nunique()),
                table=table,
                origin=of_table(table, LAYERS_COMMAND), filename="layer-rules",
                alt=figures.regret_alt(table))
    points = st.column_config.NumberColumn(format="%+.1f points")
    st.dataframe(figures.regret_table(table), key="layers_regret_rules", hide_index=True,
                 width="stretch", height="content", column_config={
                     name: points for name in ("ASR above the oracle's", "ACC below the oracle's",
                                               "worst")})
    out = figures.left_out(table)
    if len(out):
        st.caption(TEXT["left out"].format(points=f"{out['asr'].mean():+.1f}",
                                           rules=", ".join(out["rule"].value_counts().index)))


def received(cells: pd.DataFrame) -> dict[tuple[str, int], dict]:
    """The counts of each model as received, by attack and seed."""
    rows = cells[cells["entrant"] == "before"]
    return {(row["attack"], int(row["seed"])): figures.counts(row) for _, row in rows.iterrows()}


def _regrets(rows: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    table = figures.regrets(rows, received(cells), _oracle)
    return table.assign(rule=table["rule"].map(rule_title), attack=table["attack"].map(attack_name))


def _oracle(entries: list[dict], before: dict) -> dict | None:
    # Imported on demand: its package needs torch.
    from ngf_core.layers.oracle import oracle

    return oracle(entries, before)
