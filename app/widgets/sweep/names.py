"""The names of cells on screen."""

from typing import Any

from app.widgets.runs.run_name import attack_name
from ngf_core.evidence.entrants import ENTRANTS

MODEL = "model"  # the word for the method of a trained model


def method_name(entrant: str) -> str:
    """A method's title; "model" for the trained model that the others purify."""
    return ENTRANTS[entrant].title if entrant else MODEL


def cell_name(row: Any) -> str:
    """BadNets, seed 0, NGF."""
    return f"{attack_name(row.attack)}, seed {row.seed}, {method_name(row.method)}"
