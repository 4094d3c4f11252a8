"""One cell of a sweep: where it stands and why, what it measured, and its run."""

import shlex
from typing import Any

import pandas as pd
import streamlit as st

from app import state
from app.figures.sweep import SIGNS
from app.text import sections
from app.text.outside import unlinked
from app.widgets.controls.address import choose, same
from app.widgets.runs.run_name import attack_name
from app.widgets.sweep.names import MODEL, method_name
from app.widgets.sweep.which_sweep import Chosen
from ngf_core.evaluate.rates import RATES
from ngf_core.evidence.measures import rate_in
from ngf_core.runs.server_settings import server_settings
from ngf_core.sweep.cell_states import FAILED

TEXT = sections("sweep")


def pick(attack: str, seed: str, method: str, dataset: str = "", network: str = "") -> None:
    """Let the page show that cell, of the data set and network shown now unless others are given;
    before its controls are drawn."""
    for name, word in (("grid_attack", attack), ("grid_seed", seed),
                       ("grid_method", method or MODEL), ("grid_dataset", dataset),
                       ("grid_network", network)):
        if word:
            state.remember(f"{name}_choice", word)


def one_cell(cells: pd.DataFrame, chosen: Chosen) -> None:
    """Controls that pick a cell of one data set and network, and what is known of it."""
    st.header("One cell", anchor=False)
    failed = cells[cells["state"] == FAILED]
    first = (failed if len(failed) else cells).iloc[0]
    attacks = {name: attack_name(name) for name in cells["attack"].unique()}
    seeds = same([str(seed) for seed in sorted(cells["seed"].unique())])
    methods = {name or MODEL: method_name(name) for name in cells["method"].unique()}
    with st.grid(columns=3, min_column_width=200, key="sweep_cell"):
        attack = choose("grid_attack", "Attack", attacks, first["attack"])
        seed = choose("grid_seed", "Seed", seeds, str(first["seed"]))
        method = choose("grid_method", "Method", methods, first["method"] or MODEL)
    mine = cells[(cells["attack"] == attack) & (cells["seed"].astype(str) == seed)
                 & (cells["method"] == ("" if method == MODEL else method))]
    if mine.empty:
        st.info(TEXT["no cell"], icon=":material/info:")
        return
    row: Any = mine.iloc[0]
    st.markdown(f"**{SIGNS[row['state']]} {row['state'].capitalize()}.** {unlinked(row['said'])}")
    measured = [f"{name.upper()} {rate.percent()} ({100 * rate.interval[0]:.1f} to "
                f"{100 * rate.interval[1]:.1f}), n = {rate.n:,}"
                for name in RATES if (rate := rate_in(row, name)) is not None and rate.n]
    if measured:
        st.markdown(" · ".join(measured))
    if (chosen.folder / row["run"]).is_dir():
        _its_run(row["run"], chosen)


def _its_run(run: str, chosen: Chosen) -> None:
    if chosen.listed:
        st.page_link("app/views/runs.py", label=f"Open its run {run}", icon=":material/list:",
                     query_params={"run": run})
    elif server_settings().for_many:
        st.caption(TEXT["elsewhere many"])
    else:
        st.caption(TEXT["elsewhere"])
        st.code(f"NGF_RUNS={shlex.quote(str(chosen.folder))} ngf app", language=None,
                wrap_lines=True)
