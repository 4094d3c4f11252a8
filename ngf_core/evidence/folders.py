"""The folders of tables: the main one, fresh/ for seeds kept aside, and sizes/DATASET-ARCH/ for
other networks and data sets."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ngf_core.attacks import ATTACKS
from ngf_core.config import TrainConfig
from ngf_core.errors import NGFError
from ngf_core.evidence import COMMAND, TABLES, tables_folder
from ngf_core.evidence.entrants import ENTRANTS
from ngf_core.runs.names import ZOO_ARCH

FRESH, SIZES = "fresh", "sizes"
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
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise NGFError(f"{path} is damaged. Restore it from a copy, or remove its folder's "
                       "tables and compute them again.") from error


def folders(main: Path | None = None) -> dict[str, Path]:
    """The folders that have cells.parquet, by name: "main", "fresh", then those of sizes/.

    main: folder of the main tables, which is always named (None: `tables_folder`).
    """
    main = main or tables_folder()
    others = [main / FRESH, *sorted((main / SIZES).glob("*/"))]
    return {"main": main} | {place.name: place for place in others
                             if (place / "cells.parquet").is_file()}


def main_of(folder: Path) -> Path:
    """The folder of the main tables that `folder` belongs to; itself, where it is one of these."""
    folder = folder.absolute()
    if folder.parent.name == SIZES:
        return folder.parent.parent
    return folder.parent if folder.name == FRESH else folder


def command_for(dataset: str, arch: str, seeds: Sequence[int], limit: int, epochs: int,
                attacks: Sequence[str], methods: Sequence[str], folder: Path) -> str:
    """The command that computes the tables of `folder`; what is the default is left out of it.

    The tables that ship in assets/benchmark are to have all attacks and methods, whatever is
    there; others have those that they were made with.
    """
    words: list[str] = []
    for name, value, usual in (("dataset", dataset, "signs"), ("arch", arch, ZOO_ARCH),
                               ("limit", limit, TrainConfig.limit),
                               ("epochs", epochs, TrainConfig.epochs)):
        words += [f"--{name}", str(value)] if value != usual else []
    words += ["--seeds", *map(str, seeds)] if set(seeds) != set(SEEDS) else []
    place, ours = folder.absolute(), TABLES.absolute()
    if place != ours:
        for name, values, every in (("attacks", attacks, ATTACKS), ("methods", methods, ENTRANTS)):
            words += [f"--{name}", *values] if set(values) != set(every) else []
        top = ours.parents[1]
        words += ["--tables", str(place.relative_to(top) if place.is_relative_to(top) else place)]
    return " ".join([COMMAND, *map(shlex.quote, words)])
