"""The figures of the leaderboard as cards; a click on the heat map picks a cell."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from app import state
from app.figures import leaderboard as figures
from app.figures.origin import Origin
from app.read.once import once
from app.text import sections
from app.theme import style
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.figure_card import figure_card
from app.widgets.runs.run_name import attack_name
from ngf_core.attacks import ATTACKS
from ngf_core.evidence.measures import MEASURES, wide

TEXT = sections("leaderboard")


def heat_card(values: pd.DataFrame, ranks: pd.DataFrame, by: str, origin: Origin) -> None:
    """The measure `by`, defenses in the order of `ranks` by attacks; values: see `wide`."""
    measure = MEASURES[by]
    means = values.groupby(level="attack", sort=False).mean().T.reindex(ranks.index)
    means = means[[name for name in ATTACKS if name in means]]
    titles = {name: attack_name(name) for name in means}
    unit = f", {measure.unit}" if measure.unit else ""
    figure_card(once(figures.heat, means, measure, attacks=titles, dark=is_dark()),
                key="board_heat",
                caption=f"{measure.title}{unit}. {TEXT['heat']}",
                origin=origin, filename=f"heat-{by}",
                alt=f"Heat map of {measure.title}, {len(means)} defenses by {len(titles)} attacks; "
                    f"the best on average is {_best(ranks)}.",
                table=figures.heat_table(means, measure, titles), on_select=_clicked)


def dots_card(ranks: pd.DataFrame, by: str, origin: Origin) -> None:
    """Mean and interval of each defense."""
    figure_card(once(figures.dots, ranks, MEASURES[by], dark=is_dark()), key="board_dots",
                caption=TEXT["dots"], origin=origin, filename=f"means-{by}",
                table=ranks.reset_index(names="defense"),
                alt=f"Mean {MEASURES[by].title} of each defense with its 95 % interval; "
                    f"the best is {_best(ranks)}.")


def trade_off_card(cells: pd.DataFrame, defenses: Sequence[str], origin: Origin, *, uneven: bool
                   ) -> None:
    """Mean ASR against mean ACC drop of these defenses; the Pareto front is named in words too.
    uneven: the means are not all over the same cells, which the caption then says."""
    means = pd.DataFrame({name: wide(cells, name).mean() for name in ("asr", "acc_drop")})
    means = means.reindex(defenses)
    front = ", ".join(style(name).label for name in figures.pareto(means))
    figure_card(once(figures.trade_off, means, dark=is_dark()), key="board_trade",
                origin=origin, filename="trade-off",
                caption=f"{TEXT['trade off']} Here: {front}." + uneven * f" {TEXT['uneven front']}",
                table=(100 * means).reset_index(names="defense"),
                alt=f"Scatter of mean ASR over mean ACC drop; on the Pareto front: {front}.")


def _clicked() -> None:
    cell = picked(state.remembered("board_heat"))
    if cell:
        state.remember("cell_attack_choice", cell[0])
        state.remember("cell_defense_choice", cell[1])


def picked(event: Mapping[str, Any] | None) -> tuple[str, str] | None:
    """(attack, defense) of the clicked mark; None where none was clicked."""
    points = (event or {}).get("selection", {}).get("points", [])
    cell = points[0].get("customdata") if points else None
    return (str(cell[0]), str(cell[1])) if cell else None


def _best(ranks: pd.DataFrame) -> str:
    return style(str(ranks.index[0])).label if len(ranks) else "none"
