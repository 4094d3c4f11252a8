"""The folders of tables: the main one, fresh/ for seeds kept aside, and sizes/DATASET-ARCH/ for
other networks and data sets."""

import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ngf_core.attacks import ATTACKS
from ngf_core.config import TrainConfig
from ngf_core.errors import NGFError
from ngf_core.evidence import COMMAND, TABLES, tables_folder
from ngf_core.evidence.entrants import CLAIMED, ENTRANTS
from ngf_core.runs.names import ZOO_ARCH

if TYPE_CHECKING:
    import pandas as pd

MAIN, FRESH, SIZES = "main", "fresh", "sizes"
SEEDS = (0, 1, 2)
PROTOCOL = "protocol.json"


@dataclass(frozen=True)
class Protocol:
    """Which models the tables of a folder are of, and the command that computes them."""

    dataset: str
    arch: str
    seeds: tuple[int, ...]
    limit: int
    epochs: int
    command: str


def read_protocol(folder: Path) -> Protocol | None:
    """The protocol.json of `folder`; None where there is none.

    Raises NGFError where it is damaged.
    """
    path = folder / PROTOCOL
    if not path.is_file():
        return None
    try:
        told = json.loads(path.read_text())
        trained = told.get("train", {})
        return Protocol(str(told["dataset"]), str(told["arch"]), tuple(map(int, told["seeds"])),
                        int(trained.get("limit", TrainConfig.limit)),
                        int(trained.get("epochs", TrainConfig.epochs)),
                        str(told.get("command", COMMAND)))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError,
            RecursionError) as error:
        raise NGFError(f"{path} is damaged. Restore it from a copy, or remove its folder's "
                       "tables and compute them again.") from error


def folders(main: Path | None = None) -> dict[str, Path]:
    """The folders that have cells.parquet, by name: "main", "fresh", then those of sizes/.

    main: folder of the main tables, which is always named (None: `tables_folder`).
    """
    main = main or tables_folder()
    found = {MAIN: main}
    for place in (main / FRESH, *sorted((main / SIZES).glob("*/"))):
        if (place / "cells.parquet").is_file():
            found.setdefault(place.name, place)
    return found


def main_of(folder: Path) -> Path:
    """The folder of the main tables that `folder` belongs to; itself, where it is one of these."""
    folder = folder.absolute()
    if folder.parent.name == SIZES:
        return folder.parent.parent
    return folder.parent if folder.name == FRESH and (folder.parent / PROTOCOL).is_file() \
        else folder


def is_ours(folder: Path) -> bool:
    """Whether these are the main tables that ship with NGF Lab."""
    return folder.absolute() == TABLES.absolute()


@dataclass(frozen=True)
class Grid:
    """What tables are to have: all of these attacks and entrants, and seeds."""

    attacks: tuple[str, ...]
    entrants: tuple[str, ...]
    seeds: tuple[int, ...]

    @property
    def cells(self) -> int:
        """The number of its cells."""
        return len(self.attacks) * len(self.entrants) * len(self.seeds)


def grid_of(cells: "pd.DataFrame", seeds: Sequence[int], *, whole: bool) -> Grid:
    """whole: every attack and entrant, as the main tables are to have, whatever is there; else what
    the cells have."""
    purified = cells[cells["group"] != "model"]
    if purified.empty or whole:
        return Grid(tuple(ATTACKS), tuple(ENTRANTS), tuple(seeds))
    there = set(purified["attack"]), set(purified["entrant"])
    return Grid(tuple(a for a in ATTACKS if a in there[0]),
                tuple(e for e in ENTRANTS if e in there[1]), tuple(seeds))


def command_for(dataset: str, arch: str, limit: int, epochs: int, grid: Grid,
                claimed: Sequence[str], folder: Path) -> str:
    """The command that computes the tables of `folder`; what is the default is left out of it.

    claimed: attacks whose purified models have been measured for the sharpness claim. Where these
    are fewer than all, there are two commands: the cells, then what is measured of them.
    """
    models: list[str] = []
    for name, value, usual in (("dataset", dataset, "signs"), ("arch", arch, ZOO_ARCH),
                               ("limit", limit, TrainConfig.limit),
                               ("epochs", epochs, TrainConfig.epochs)):
        models += [f"--{name}", str(value)] if value != usual else []
    models += ["--seeds", *map(str, grid.seeds)] if set(grid.seeds) != set(SEEDS) else []
    top, place = TABLES.absolute().parents[1], folder.absolute()
    place = place.relative_to(top) if place.is_relative_to(top) else place
    tables = [] if is_ours(folder) else ["--tables", str(place)]
    cells = [*models, *_listed("attacks", grid.attacks, ATTACKS),
             *_listed("methods", grid.entrants, ENTRANTS)]
    claimed = [attack for attack in grid.attacks if attack in claimed]
    measured = [name for name in grid.entrants if name in CLAIMED]
    if (claimed, measured) == (list(grid.attacks), list(grid.entrants)):
        return _line([*cells, *tables])
    if not claimed:
        return _line([*cells, "--stages", "cells", "tables", *tables])
    return " && ".join([_line([*cells, "--stages", "cells"]), _line(
        [*models, *_listed("attacks", claimed, ATTACKS), *_listed("methods", measured, ENTRANTS),
         "--stages", "claim", "tables", *tables])])


def _listed(name: str, values: Sequence[str], every: Iterable[str]) -> list[str]:
    return [f"--{name}", *values] if set(values) != set(every) else []


def _line(words: Sequence[str]) -> str:
    return " ".join([COMMAND, *map(shlex.quote, words)])
