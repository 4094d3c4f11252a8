"""The grid of a sweep, read from a file of TOML.

    datasets = ["signs"]
    networks = ["preact_resnet18_w16"]
    attacks = ["badnets", "blend"]
    methods = ["ngf", "sgd"]
    seeds = [0, 1, 2]

`limit` and `epochs` are those of the benchmark. Its cells are the benchmark's, so that its tables
can be made of them.
"""

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ngf_core.attacks import ATTACKS
from ngf_core.config import TrainConfig
from ngf_core.data import DATASETS
from ngf_core.data.dataset import RESERVE_SHARE, find_source
from ngf_core.errors import ConfigError, NGFError, shown
from ngf_core.evidence.cells import Cell, cells
from ngf_core.evidence.entrants import ENTRANTS
from ngf_core.models import ARCHITECTURES
from ngf_core.options import listed
from ngf_core.runs.names import ZOO_ARCH

CHOICES = {"datasets": tuple(DATASETS), "networks": tuple(ARCHITECTURES),
           "attacks": tuple(ATTACKS), "methods": tuple(ENTRANTS)}
MOST_SEED, MOST_CELLS = 2**31 - 1, 100_000


@dataclass(frozen=True)
class Grid:
    """Every combination of these is a cell, and so are the models that are purified."""

    attacks: tuple[str, ...]
    methods: tuple[str, ...]
    datasets: tuple[str, ...] = ("signs",)
    networks: tuple[str, ...] = (ZOO_ARCH,)
    seeds: tuple[int, ...] = (0,)
    limit: int = TrainConfig.limit
    epochs: int = TrainConfig.epochs

    def stages(self) -> list[list[Cell]]:
        """All cells, each once: trainings, then purifications, then those that take over the layer
        another one chose. Each needs only cells of the stages before."""
        stages: list[list[Cell]] = [[], [], []]
        needed = {ENTRANTS[name].layer_of for name in self.methods} - {""}
        entrants = [name for name in ENTRANTS if name in needed | set(self.methods)]
        for dataset in self.datasets:
            for network in self.networks:
                for cell in cells(dataset, network, self.attacks, entrants, self.seeds, self.limit,
                                  self.epochs):
                    stages[depth(cell)].append(cell)
        return stages

    def to_json(self) -> dict[str, Any]:
        """As `grid_of` reads it."""
        return {name: list(value) if isinstance(value, tuple) else value
                for name, value in dataclasses.asdict(self).items()}


def depth(cell: Cell) -> int:
    """How many runs have to precede it: none, the trained model, the choice of a layer."""
    return 0 if not cell.entrant else 2 if ENTRANTS[cell.entrant].layer_of else 1


def needs(cell: Cell) -> tuple[str, ...]:
    """The ids of the runs that have to be there before."""
    if not cell.entrant:
        return ()
    layer_of = ENTRANTS[cell.entrant].layer_of
    trained = dataclasses.replace(cell, entrant="").run_id
    return (trained, dataclasses.replace(cell, entrant=layer_of).run_id) if layer_of else (trained,)


def read_grid(path: Path) -> Grid:
    """The grid in a file. Raises ConfigError, which names the file and the entry, for one that
    cannot be used, and NGFError where the file cannot be read."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Notepad writes a mark first
    except FileNotFoundError:
        raise NGFError(f"There is no file {path}. Write the grid of the sweep into one; "
                       "docs/cluster.md has an example.") from None
    except (OSError, UnicodeDecodeError):
        raise NGFError(f"{path} cannot be read as text. Name a file of TOML.") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(path.name, f"is not TOML ({shown(error)})",
                          'Write an entry a line, as attacks = ["badnets", "blend"].') from None
    try:
        return grid_of(values)
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error.field}", error.why, error.fix) from None


def grid_of(values: Mapping[str, Any], data_here: bool = True) -> Grid:
    """The grid of these entries. Raises ConfigError for the first one that cannot be used, and,
    unless it is enough to look (`data_here`), for a data set whose files are not here."""
    known = [field.name for field in dataclasses.fields(Grid)]
    for name in values:
        if name not in known:
            raise ConfigError(shown(name), "a grid has no such entry",
                              f"It has {listed(tuple(known))}.")
    for field in dataclasses.fields(Grid):
        if field.default is dataclasses.MISSING and field.name not in values:
            raise ConfigError(field.name, "is missing", f"Name at least one, as {field.name} = "
                              f'["{CHOICES[field.name][0]}"].')
    entries: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value
                               for name, value in values.items()}
    grid = Grid(**entries)
    for name, choices in CHOICES.items():
        _check_names(name, getattr(grid, name), choices)
    _check_seeds(grid.seeds)
    for field in dataclasses.fields(TrainConfig):
        if field.name in ("limit", "epochs"):
            _check_whole(field.name, getattr(grid, field.name), field.metadata["low"],
                         field.metadata["high"])
    for name in grid.datasets:
        images = grid.limit * DATASETS[name].classes
        if images and round(RESERVE_SHARE * images) < 1:
            raise ConfigError("limit", f"{grid.limit} per class leaves no clean image of {name} to "
                              "purify with", "Use at least "
                              f"{math.ceil(1 / RESERVE_SHARE / DATASETS[name].classes)}.")
    count = (len(grid.datasets) * len(grid.networks) * len(grid.seeds)
             * (1 + len(grid.attacks) * (1 + len(grid.methods))))
    if count > MOST_CELLS:
        raise ConfigError("seeds", f"the grid has {count} cells", f"Use at most {MOST_CELLS}.")
    for name in grid.datasets if data_here else ():
        if not DATASETS[name].embedded:
            find_source(name)
    return grid


def _check_names(field: str, names: Any, choices: tuple[str, ...]) -> None:
    if not isinstance(names, tuple) or not names:
        raise ConfigError(field, f"{_written(names)} is empty or not a list",
                          f'Write a list, as {field} = ["{choices[0]}"].')
    for name in names:
        if name not in choices:
            raise ConfigError(field, f"{shown(repr(name))} is unknown",
                              f"Choose among {listed(choices)}.")
    _check_once(field, names)


def _written(value: Any) -> str:
    """An entry as it stands in the file."""
    return shown(repr(list(value) if isinstance(value, tuple) else value))


def _check_seeds(seeds: Any) -> None:
    if not isinstance(seeds, tuple) or not seeds:
        raise ConfigError("seeds", f"{_written(seeds)} is empty or not a list",
                          "Write a list, as seeds = [0, 1, 2].")
    for seed in seeds:
        _check_whole("seeds", seed, 0, MOST_SEED)
    _check_once("seeds", seeds)


def _check_whole(field: str, value: Any, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise ConfigError(field, f"{shown(repr(value))} is not a whole number from {low} to {high}",
                          f"Write it as {low + 1}.")


def _check_once(field: str, values: tuple[Any, ...]) -> None:
    if len(set(values)) < len(values):
        raise ConfigError(field, f"{listed(tuple(map(str, values)))} names something twice",
                          "Name each once.")
