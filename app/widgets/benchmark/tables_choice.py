"""Which models a page's tables are of: the main ones, fresh seeds, another network or data set."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from app import state
from app.text import sections
from app.widgets.controls.address import choose
from ngf_core.data import DATASETS
from ngf_core.errors import NGFError
from ngf_core.evidence import COMMAND
from ngf_core.evidence.folders import FRESH, MAIN, Protocol, folders, read_protocol
from ngf_core.evidence.sizes import WEIGHTS
from ngf_core.evidence.sizes_words import weights_text

WIDTH = 560
FEW_SEEDS = {1: "one seed", 2: "two seeds"}


@dataclass(frozen=True)
class Tables:
    """The folder, its name, and the command that computes what is in it; "" where it does not tell.
    """

    name: str
    folder: Path
    command: str


def tables_choice() -> Tables:
    """The tables that the address names; a control where there are several, and a caution where
    their seeds are few."""
    there = folders()
    known = {name: _protocol(place) for name, place in there.items()}
    chosen = MAIN
    if len(there) == 1:
        state.warn_unknown("models", [MAIN])
    else:
        with st.container(width=WIDTH):
            chosen = choose("models", "Models", _titles(known), MAIN, listed=True,
                            help=sections("leaderboard")["models"])
    told = known[chosen]
    if told and len(told.seeds) in FEW_SEEDS:
        st.caption(sections("leaderboard")[FEW_SEEDS[len(told.seeds)]])
    return Tables(chosen, there[chosen], told.command if told else COMMAND * (chosen == MAIN))


def command_of(of: Tables) -> None:
    """Show the command, or that nobody knows it."""
    if of.command:
        st.code(of.command, language="bash", wrap_lines=True)
    else:
        st.caption("Not known: the protocol of these tables is missing or damaged.")


def _titles(known: Mapping[str, Protocol | None]) -> dict[str, str]:
    """"Signs, 0.7 million weights, fresh seeds 3, 4"; the folder's name where it does not tell, and
    behind titles that are the same."""
    found = {}
    for name, told in known.items():
        if told is None:
            found[name] = name
            continue
        seeds = f"seed{'s' * (len(told.seeds) > 1)} {', '.join(map(str, told.seeds))}"
        network = f"{weights_text(told.arch)} weights" if told.arch in WEIGHTS else told.arch
        fresh = "fresh " * (name == FRESH)
        found[name] = f"{DATASETS[told.dataset].title}, {network}, {fresh}{seeds}" \
            if told.dataset in DATASETS else name
    return {name: f"{title} ({name})" if list(found.values()).count(title) > 1 else title
            for name, title in found.items()}


def _protocol(place: Path) -> Protocol | None:
    """None too where it is damaged: the tables themselves may be well."""
    try:
        return read_protocol(place)
    except NGFError:
        return None
