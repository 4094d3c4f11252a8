"""Leaderboard: every defense on every attack under one protocol, with ties and intervals."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from app.figures.origin import of_table
from app.read.once import once
from app.state import warn_unknown
from app.text import sections
from app.theme import style
from app.widgets.benchmark.benchmark_cell import benchmark_cell
from app.widgets.benchmark.benchmark_notes import benchmark_notes
from app.widgets.benchmark.benchmark_protocol import benchmark_protocol
from app.widgets.benchmark.benchmark_table import benchmark_table
from app.widgets.benchmark.leaderboard_figures import dots_card, heat_card, trade_off_card
from app.widgets.benchmark.leaderboard_table import PUBLISHED, board_frame, leaderboard_table
from app.widgets.benchmark.tables_choice import Tables, command_of, tables_choice
from app.widgets.controls.address import choose, choose_some
from app.widgets.controls.notice import guarded
from app.widgets.runs.run_name import attack_name
from ngf_core.evidence.aims import aims, defenses_only
from ngf_core.evidence.entrants import ENTRANTS
from ngf_core.evidence.folders import Grid, grid_of, is_ours
from ngf_core.evidence.measures import CELL, MEASURES, wide
from ngf_core.evidence.rank import FEW, ranked, ranking

TEXT = sections("leaderboard")
VERDICTS = {True: ":blue[:material/check_circle: **Met{so_far}.**]",
            False: ":orange[:material/cancel: **Missed{so_far}.**]",
            None: ":gray[:material/help: **Open.**]"}


def page() -> None:
    """The aims, the leaderboard, its figures, one cell."""
    st.title(TEXT["title"], anchor=False)
    st.markdown(TEXT["intro"])
    of = tables_choice()
    table = benchmark_table("cells", of)
    if table is None:
        st.markdown(TEXT["nothing"])
        return
    if defenses_only(table).empty:
        st.info("No cell is finished yet.", icon=":material/hourglass_empty:")
        command_of(of)
        return
    grid = _grid(table, of)
    so_far = " so far" if len(defenses_only(table)) < grid.cells else ""
    for aim in once(aims, table):
        st.markdown(f"{VERDICTS[aim.met].format(so_far=so_far)} **{aim.what}.** {aim.found}")
    _progress(table, grid)
    benchmark_protocol(table, of)
    st.header("All defenses", anchor=False)
    by, cells, shown = _filters(table)
    if defenses_only(cells).empty:
        st.info("No cell fits these filters.", icon=":material/filter_alt_off:")
        return
    if wide(defenses_only(cells), by).isna().all(axis=None):
        st.info(f"No defense has its {MEASURES[by].title} measured in these cells yet. Rank by "
                "another measure.", icon=":material/hourglass_empty:")
        return
    _board(table, cells, by, shown, of)


def _grid(table: pd.DataFrame, of: Tables) -> Grid:
    """The defenses, attacks and seeds that the tables are to have."""
    grid = grid_of(table, sorted(table["seed"].unique()), whole=is_ours(of.folder))
    return replace(grid, entrants=tuple(name for name in grid.entrants
                                        if ENTRANTS[name].group == "defense"))


def _progress(table: pd.DataFrame, grid: Grid) -> None:
    """How many of the cells are done, and what limits them."""
    done = len(defenses_only(table))
    of = ", ".join(f"{len(some)} {word}{'s' * (len(some) > 1)}" for word, some in (
        ("defense", grid.entrants), ("attack", grid.attacks), ("seed", grid.seeds)))
    st.caption(f"{done:,} cells: {of}." if done >= grid.cells else
               f"{done:,} of {grid.cells:,} cells: {of}. The others have not been computed yet, so "
               "the results may still change.")
    benchmark_notes(table)


def _filters(table: pd.DataFrame) -> tuple[str, pd.DataFrame, list[str]]:
    """The ranking measure, the rows of the chosen attacks and seeds, and the defenses to show."""
    attacked = table[table["attack"] != "none"]
    with st.container(horizontal=True, vertical_alignment="bottom", key="board_filters"):
        by = choose("by", "Rank by", {name: m.title for name, m in MEASURES.items()}, "der")
        seeds = choose_some("seeds", "Seeds", {str(n): str(n)
                                               for n in sorted(attacked["seed"].unique())})
    with st.expander("Choose attacks and defenses", icon=":material/filter_alt:",
                     key="board_more"):
        attacks = choose_some("attacks", "Attacks (none: all)", {
            name: attack_name(name) for name in attacked["attack"].unique()})
        entrants = list(defenses_only(table)["entrant"].unique())
        defenses = choose_some("defenses", "Defenses to show (none: all); ranks stay among all", {
            name: style(name).label for name in entrants})
    if attacks:
        attacked = attacked[attacked["attack"].isin(attacks)]
    if seeds:
        attacked = attacked[attacked["seed"].astype(str).isin(seeds)]
    return by, attacked[attacked["group"] != "ablation"], defenses or entrants


def _board(table: pd.DataFrame, cells: pd.DataFrame, by: str, defenses: list[str],
           of: Tables) -> None:
    defended, values = set(defenses_only(cells)["entrant"]), wide(cells, by)
    values = values[[name for name in values if name in defended]]
    field = ranked(values)  # the others would leave hardly any
    shared = values[field].dropna().index
    over = {"all": f"All {len(values)} cells, as far as computed",
            "shared": f"The {len(shared)} cells that all ranked defenses have"}
    if not FEW <= len(shared) < len(values):
        warn_unknown("cells", ["all"])
    elif choose("cells", "Means over", over, "all", help=TEXT["shared"]) == "shared":
        values = values.loc[shared, field]
        cells = cells[pd.MultiIndex.from_frame(cells[CELL]).isin(shared)]
    ranks = once(ranking, values, higher_is_better=MEASURES[by].higher_is_better,
                    limits=MEASURES[by].limits)
    ranks = ranks[ranks.index.isin(defenses)]
    frame = once(board_frame, cells, ranks, by, list(cells["attack"].unique()))
    leaderboard_table(frame, by)
    uneven = f"{TEXT['uneven']} " if ranks["n"].nunique() > 1 else ""
    st.caption(f"{uneven}{TEXT['rule']} " + (PUBLISHED[0] in frame) * TEXT["published"])
    st.header("Attack by attack", anchor=False)
    origin = of_table(cells, of.command)
    heat_card(values, ranks, by, origin)
    _cell(table)
    st.header("On average", anchor=False)
    left, right = st.columns(2, gap="large")
    with left:
        dots_card(ranks, by, origin)
    with right:
        field = list(ranks.index[ranks["first"] > 0])  # one lucky cell would lead
        trade_off_card(cells, field, origin, uneven=bool(values[field].isna().any(axis=None)))


def _cell(table: pd.DataFrame) -> None:
    rows = defenses_only(table)
    attacks = {name: attack_name(name) for name in rows["attack"].unique()}
    defenses = {name: style(name).label for name in rows["entrant"].unique()}
    with st.grid(columns=2, min_column_width=200, key="cell_selects"):
        attack = choose("cell_attack", "Attack", attacks, next(iter(attacks)))
        defense = choose("cell_defense", "Defense", defenses, next(iter(defenses)))
    st.caption(TEXT["cell"])
    benchmark_cell(table, attack, defense)


guarded(page)()
