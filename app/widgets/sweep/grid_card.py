"""The heat map of a sweep as a card; a click takes its cell to the card of one cell."""

import pandas as pd

from app import state
from app.figures import sweep as figures
from app.figures.origin import Origin
from app.read.once import once
from app.text import sections
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.figure_card import figure_card
from app.widgets.runs.run_name import attack_name
from app.widgets.sweep.names import method_name
from app.widgets.sweep.one_cell import pick
from ngf_core.sweep.cell_states import FAILED, STATES

TEXT = sections("sweep")
KEY = "sweep_grid"


def grid_card(cells: pd.DataFrame, show: str, origin: Origin) -> None:
    """The cells of one data set and network, coloured by state or by a rate."""
    counts = cells["state"].value_counts()
    said = ", ".join(f"{counts.get(state, 0)} {state}" for state in STATES)
    rows = len(cells[["attack", "seed"]].drop_duplicates())
    # How far a running cell is changes every second: the figure would be drawn anew each time.
    still = cells.assign(said=cells["said"].where(cells["state"] == FAILED, ""))
    attacks = {name: attack_name(name) for name in cells["attack"].unique()}
    methods = {name: method_name(name) for name in cells["method"].unique()}
    figure_card(once(figures.heat, still, show, attacks, methods, dark=is_dark()), key=KEY,
                caption=TEXT["heat"] + ("" if show == figures.STATE else f" {TEXT['rates']}"),
                alt=f"Heat map of {rows} attacks and seeds by {cells['method'].nunique()} methods, "
                    f"by {figures.SHOWN[show]}: {said}.",
                table=figures.heat_table(cells, attacks, methods), origin=origin,
                filename=f"sweep-{show}", on_select=_clicked, lazy=True)


def _clicked() -> None:
    points = (state.remembered(KEY) or {}).get("selection", {}).get("points", [])
    cell = points[0].get("customdata") if points else None
    if cell:
        pick(*map(str, cell))
