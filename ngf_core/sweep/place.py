"""Where a sweep is kept: in a hidden folder among its runs."""

from pathlib import Path

HIDDEN, NAME = ".sweep", "sweep.json"


def sweep_file(folder: Path) -> Path:
    """The file with grid and launch settings of the sweep in a folder of runs."""
    return folder / HIDDEN / NAME
