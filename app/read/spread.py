"""How a race ended on models of other seeds, read off the benchmark's table."""

from pathlib import Path

import pandas as pd

from app import state
from app.read.once import once
from ngf_core.config import PurifyConfig, TrainConfig
from ngf_core.errors import NGFError
from ngf_core.evaluate.rates import Rate
from ngf_core.evidence import load, tables_folder
from ngf_core.evidence.repeats import repeats
from ngf_core.runs import Run
from ngf_core.runs.lineage import training_of


def spread_of(race: Run) -> dict[str, dict[int, Rate]]:
    """`repeats` of a race, by method and seed; nothing where there is no table."""
    try:
        trained = training_of(race, state.store())
        folder = tables_folder()
        cells = once(_cells, str(folder), (folder / "cells.parquet").stat().st_mtime_ns)
    except (NGFError, OSError):
        return {}
    if not isinstance(trained, TrainConfig):
        return {}
    return repeats(race.config_as(PurifyConfig), trained, cells)


def _cells(folder: str, written: int) -> pd.DataFrame:
    """The table there; `written`, the time of its file, tells it from an older one."""
    return load("cells", Path(folder))
