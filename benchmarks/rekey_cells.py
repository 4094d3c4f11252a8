"""The committed cells under the commands and hashes of today; no figure changes.

    python -m benchmarks.rekey_cells

Each purified row of assets/benchmark/cells.parquet holds the command that makes its run and a hash
of that run's settings. In schema 1, where a purification held every method's settings side by side,
both differed. A row whose hash is that of its command, read as schema 1, gets the command and
the hash of the same settings today, and a row whose hash is today's gets today's command. Any other
row is left as it is, and a second run changes nothing.
"""

import argparse
import hashlib
import json
import shlex
from pathlib import Path
from typing import Any

import pandas as pd

from ngf_core.config import Config, config_sha, from_json
from ngf_core.config.command import command_line
from ngf_core.config.schema1 import migrated
from ngf_core.evidence import tables_folder
from ngf_core.evidence.cells import Cell, settings_hash
from ngf_core.evidence.entrants import ENTRANTS

# A purification's fields in schema 1, all of which its hash was over, with their defaults.
FIELDS: dict[str, Any] = {
    "kind": "purify", "source": "", "methods": ["ngf", "sgd"], "layer": "blocks.2.conv1",
    "steps": 100, "seconds": 0.0, "clean_fraction": 0.05, "clean_balance": "drawn",
    "augment": "strong", "pool": 0, "batchnorm": "recalibrated", "batch_size": 256,
    "fisher": "true", "damping": 0.1, "kl_bound": 0.3, "regulariser": 0.1, "lr": 0.01,
    "finetune_lr": 0.003, "step_size": "given", "parameters": "", "evaluations": 20,
    "sharpness": "on", "seed": 0}


def schema_1(command: str) -> dict[str, Any] | None:
    """The config of a command of schema 1; None where it is not one."""
    _, _, _, kind, source, *words = shlex.split(command)
    config, name = FIELDS | {"source": source}, ""
    for word in words if kind == "purify" else ():
        if word.startswith("--"):
            name = word[2:].replace("-", "_")
            if name not in FIELDS:
                return None
            config[name] = [] if name == "methods" else None
        elif name == "methods":
            config[name] = [*config[name], word]
        else:
            config[name] = type(FIELDS[name])(word)
    return config if kind == "purify" else None


def sha_of_schema_1(config: dict[str, Any]) -> str:
    """The hash that identifies the run's settings in a row of schema 1."""
    return settings_hash([hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()])


def rekeyed(cells: pd.DataFrame) -> pd.DataFrame:
    """The same rows with the commands and hashes of today."""
    cells = cells.copy()
    for at, row in cells[cells["group"] != "model"].iterrows():
        config = asked(row)
        if config is not None:
            cells.loc[at, ["command", "settings"]] = (command_line(config),
                                                      settings_hash([config_sha(config)]))
    return cells


def asked(row: pd.Series) -> Config | None:
    """The config of the row's run; None where its hash is of no settings known here."""
    old = schema_1(row["command"])
    if old is not None and sha_of_schema_1(old) == row["settings"]:
        return from_json(migrated(old))
    if row["entrant"] not in ENTRANTS:
        return None
    cell = Cell(row["dataset"], row["arch"], row["attack"], row["seed"], row["entrant"])
    return cell.asked(row["layer"]) if cell.settings(row["layer"]) == row["settings"] else None


def main() -> None:
    """Write the table in place, and print how many rows changed."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, default=tables_folder(),
                        help="folder of the tables (default: assets/benchmark)")
    path = parser.parse_args().tables / "cells.parquet"
    cells = pd.read_parquet(path)
    new = rekeyed(cells)
    new.to_parquet(path, index=False)
    changed = [(new[name] != cells[name]).sum() for name in ("settings", "command")]
    print("{} hashes and {} commands of {} rows are new.".format(*changed, len(cells)))


if __name__ == "__main__":
    main()
