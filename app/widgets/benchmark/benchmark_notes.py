"""What limits the cells of a benchmark: attacks that did not take, triggers that move any model."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from app.text import sections
from app.widgets.runs.run_name import attack_name
from ngf_core.attacks import ATTACKS
from ngf_core.attacks.aim import MOST_FLOOR
from ngf_core.evidence.measures import BEFORE, BENIGN, wide


def benchmark_notes(cells: pd.DataFrame) -> None:
    """A line for each of the two, where there are such attacks."""
    for name, icon, attacks in (("weak", "warning", did_not_take(cells)),
                                ("moving", "vertical_align_bottom", moves_a_benign_model(cells))):
        if attacks:
            told = sections("leaderboard")[name].format(models=", ".join(attacks))
            st.caption(f":material/{icon}: {told}")


def did_not_take(cells: pd.DataFrame) -> list[str]:
    """Attacks with the seeds at which the received model's ASR is below the attack's aim."""
    return _told(cells, BEFORE, lambda attack, asr: asr < ATTACKS[attack].aim)


def moves_a_benign_model(cells: pd.DataFrame) -> list[str]:
    """Attacks with the seeds at which a benign model, under their trigger, gives the attacker's
    label on more than `MOST_FLOOR` of the images."""
    return _told(cells, BENIGN, lambda attack, asr: asr > MOST_FLOOR)


def _told(cells: pd.DataFrame, model: str, apply: Callable[[str, pd.Series], pd.Series]
          ) -> list[str]:
    """ "CBA (seed 0: 15.6 %, seed 2: 21.9 %)" of the model's ASR where `apply` is true. """
    asr = wide(cells, "asr")
    found = []
    for attack in (name for name in ATTACKS if model in asr and name in asr.index):
        rates = asr.loc[attack, model].dropna()
        rates = rates[apply(attack, rates)]
        if len(rates):
            seeds = ", ".join(f"seed {seed}: {100 * rate:.1f} %" for seed, rate in rates.items())
            found.append(f"{attack_name(attack)} ({seeds})")
    return found
