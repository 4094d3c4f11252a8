"""What a benign model says under the trigger of a backdoored one: so much of an ASR is no backdoor.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from app import state
from app.read.once import once
from ngf_core.config import TrainConfig
from ngf_core.config.command import command_line
from ngf_core.errors import NGFError
from ngf_core.evaluate.rates import Rate
from ngf_core.evidence import load, tables_folder
from ngf_core.evidence.measures import BEFORE, BENIGN
from ngf_core.runs import Run
from ngf_core.runs.lineage import training_of


def floor_of(run: Run) -> Rate | None:
    """On how many triggered images the benign model of the same seed gives the attacker's label.

    It is read off the benchmark's table, which has it for models trained by the very settings of
    the one behind `run`; None where it has none for these, or there is no table.
    """
    try:
        trained = training_of(run, state.store())
        folder = tables_folder()
        known = once(_floors, str(folder), (folder / "cells.parquet").stat().st_mtime_ns)
    except (NGFError, OSError):
        return None
    return known.get(command_line(trained)) if isinstance(trained, TrainConfig) else None


def _floors(folder: str, written: int) -> Mapping[str, Rate]:
    """`floors` of the table there; `written`, the time of its file, tells it from an older one."""
    return floors(load("cells", Path(folder)))


def floors(cells: pd.DataFrame) -> dict[str, Rate]:
    """The benign model's ASR under each trigger of a table of cells, by the command of the training
    that made the trigger."""
    attacked = cells[cells["attack"] != "none"].set_index(["attack", "seed"])
    commands = attacked.loc[attacked["entrant"] == BEFORE, "command"]
    rows = attacked[(attacked["entrant"] == BENIGN) & (attacked["asr_n"] > 0)]
    return {commands[key]: Rate(int(row["asr_hits"]), int(row["asr_n"]))
            for key, row in rows.iterrows() if key in commands.index}
