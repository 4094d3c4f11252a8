"""One cell of the benchmark in detail: its seeds, its run, and how to compute it again."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from app import state
from app.figures.spectrum import with_error
from app.text import sections
from app.theme import style
from app.widgets.controls.address import choose, same
from app.widgets.race.race_form import open_form_as
from app.widgets.runs.run_name import attack_name
from ngf_core.config.command import on_threads
from ngf_core.errors import NGFError
from ngf_core.evaluate.rates import UNDEFINED
from ngf_core.evidence.entrants import ENTRANTS
from ngf_core.evidence.measures import rate_in
from ngf_core.runs import Run

TEXT = sections("leaderboard")
RATES = ("asr", "acc", "ra")


def benchmark_cell(cells: pd.DataFrame, attack: str, defense: str) -> None:
    """The seeds of an attack and defense; for the one chosen its run or its command."""
    mine = cells[(cells["attack"] == attack) & (cells["entrant"] == defense)].sort_values("seed")
    if mine.empty:
        st.info(f"{style(defense).label} on {attack_name(attack)} has not been computed yet.",
                icon=":material/hourglass_empty:")
        return
    st.dataframe(seeds_frame(mine), key="cell_seeds", hide_index=True, height="content",
                 placeholder="–")
    seeds = mine["seed"].astype(str)
    chosen = choose("cell_seed", "Seed", same(list(seeds)), seeds.iloc[0])
    row = mine[seeds == chosen].iloc[0]
    for sentence in [row["stopped"]] if isinstance(row["stopped"], str) and row["stopped"] else []:
        st.caption(f":material/info: {sentence}")
    _its_run(cells, row)


def seeds_frame(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per seed: each rate with its interval and n, DER, sharpness with its error, cost."""
    return pd.DataFrame([{
        "seed": int(row["seed"]), "DER": f"{100 * row['der']:.1f} %",
        **{name.upper(): rate_text(row, name) for name in RATES},
        "λ_max": _with_error(row, "lambda_max"), "trace": _with_error(row, "trace"),
        "seconds": round(float(row["cpu_seconds"]), 1), "passes": _whole(row["passes"]),
        "tuned weights": _whole(row["tuned"]), "layer": row["layer"] or None,
    } for _, row in rows.iterrows()])


def rate_text(row: Mapping[str, Any], name: str) -> str | None:
    """"1.2 % (0.6 to 2.3), n = 900"."""
    rate = rate_in(row, name)
    if rate is None:
        return None
    if not rate.n:
        return f"{UNDEFINED}, n = 0"
    low, high = rate.interval
    return f"{rate.percent()} ({100 * low:.1f} to {100 * high:.1f}), n = {rate.n:,}"


def _with_error(row: Mapping[str, Any], name: str) -> str | None:
    if pd.isna(row[name]):
        return None
    value, error = float(row[name]), row[f"{name}_error"]
    return f"{value:,.4g}" if pd.isna(error) else with_error(value, float(error))


def _whole(value: Any) -> int | None:
    return None if pd.isna(value) else int(value)


def _its_run(cells: pd.DataFrame, row: pd.Series) -> None:
    """A link to the run where it exists, else the command, and the form filled in with it."""
    here = _there(row["run"])
    if here is not None:
        st.page_link("app/views/race.py", label="Open its run", icon=":material/flag:",
                     query_params={"run": here.id})
        return
    st.markdown(TEXT["not here"].format(instructions=row["instructions"] or "not recorded"))
    _command(row)
    model = f"{row['dataset']}-{row['attack']}-s{row['seed']}-train"
    before = cells[(cells["attack"] == row["attack"]) & (cells["seed"] == row["seed"])
                   & (cells["entrant"] == "before")]
    source = str(before["run"].iloc[0]) if len(before) else model
    if _there(source) is None:
        st.markdown(TEXT["needs model"])
        if len(before):
            _command(before.iloc[0])
        return
    if row["entrant"] in ENTRANTS and st.button("Race it here", icon=":material/flag:",
                                                key="cell_race"):
        filled = open_form_as(ENTRANTS[row["entrant"]].config(source, int(row["seed"]),
                                                                row["layer"]))
        st.switch_page("app/views/race.py", query_params=filled)


def _command(row: pd.Series) -> None:
    st.code(on_threads(row["command"], _whole(row["threads"])), language="bash", wrap_lines=True)


def _there(run_id: str) -> Run | None:
    try:
        return state.store().get(run_id)
    except NGFError:
        return None
