"""How the same race ends on models of other seeds, in one line."""

import streamlit as st

from app.read.spread import spread_of
from app.text import sections
from app.theme import style
from ngf_core.evaluate.rates import Rate
from ngf_core.runs import Run

TEXT = sections("race")


def spread_over_seeds(race: Run) -> None:
    """ASR by seed and method below a finished race, which Wilson's interval does not tell; nothing
    where no other seed was computed."""
    found = spread_of(race)
    if not found:
        return
    told = "; ".join(f"{style(method).label} {_listed(list(rates.values()))}"
                     for method, rates in found.items())
    seeds = sorted({seed for rates in found.values() for seed in rates})
    st.markdown(TEXT["spread"].format(seeds=_and([str(seed) for seed in seeds]), told=told),
                help=TEXT["spread help"])


def _listed(rates: list[Rate]) -> str:
    return f"{_and([f'{100 * rate.value:.1f}' for rate in rates])} %"


def _and(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]])
