"""`python -m ngf_core benchmark`: attacks x defenses x seeds, resumed where it stopped.

Trains the missing models, purifies each backdoored model by each entrant, measures lambda_max and
trace of the models of the sharpness claim and then of all others, and writes the tables. Finished
cells are used again, and existing tables are completed. The conditions are in
ngf_core/evidence/entrants.py.

On a Slurm cluster each stage is submitted as jobs and waited for. Where this command is stopped,
they go on, and the next call waits for them; `sweep status` tells where each cell stands.
docs/cluster.md has an example.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ngf_core.attacks import ATTACKS
from ngf_core.cli.launching import add_launch, launch_of, say
from ngf_core.cli.lists import add_list
from ngf_core.config import TrainConfig, validate
from ngf_core.data import DATASETS
from ngf_core.data.dataset import find_source
from ngf_core.errors import ConfigError, NGFError
from ngf_core.evidence import claim, load, sharpness, tables_folder
from ngf_core.evidence.cells import Cell, cells, finished
from ngf_core.evidence.earlier import KEYS, completed, completed_cells, lost, with_claim
from ngf_core.evidence.entrants import CLAIMED, CONDITIONS, ENTRANTS
from ngf_core.evidence.floor import floor
from ngf_core.evidence.folders import PROTOCOL, SEEDS, command_for, grid_of, is_ours, main_of
from ngf_core.evidence.measures import BEFORE
from ngf_core.evidence.measuring import measure_all
from ngf_core.evidence.report import report
from ngf_core.evidence.sizes_report import claim_at_sizes
from ngf_core.evidence.table import SHARPNESS, cells_table, path_table
from ngf_core.launch.opened import opened
from ngf_core.models import ARCHITECTURES
from ngf_core.runs import RunStore, default_store
from ngf_core.runs.disk import replace_file
from ngf_core.runs.manifest import git_state
from ngf_core.runs.names import ZOO_ARCH
from ngf_core.sweep.grid import Grid
from ngf_core.sweep.plan import plan
from ngf_core.sweep.states import DONE
from ngf_core.sweep.sweep import Sweep

STAGES = ("cells", "claim", "sharpness", "tables")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `python -m ngf_core benchmark`."""
    parser.description = __doc__
    parser.add_argument("--dataset", choices=tuple(DATASETS), default="signs",
                        help="data set (default: %(default)s); its files have to be here, see "
                        "`data list`")
    parser.add_argument("--arch", choices=tuple(ARCHITECTURES), default=ZOO_ARCH,
                        help="architecture (default: %(default)s)")
    add_list(parser, "attacks", choices=tuple(ATTACKS), default=list(ATTACKS), metavar="ATTACK",
             help="attacks (default: all)")
    add_list(parser, "methods", "defenses", choices=tuple(ENTRANTS), default=list(ENTRANTS),
             metavar="NAME", help="defenses and ablations (default: all): " + ", ".join(ENTRANTS))
    add_list(parser, "seeds", type=int, default=list(SEEDS), metavar="N",
             help="seeds of models and purification (default: 0 1 2)")
    parser.add_argument("--limit", type=int, default=TrainConfig.limit, metavar="N",
                        help="images per class, a twentieth of them the clean ones, and test "
                        "images per class; 0 is all (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=TrainConfig.epochs, metavar="N",
                        help="passes over the training images (default: %(default)s)")
    add_list(parser, "stages", choices=STAGES, default=list(STAGES),
             help="what to do (default: all)")
    parser.add_argument("--out", type=Path, default=default_store().root / "benchmark",
                        help="folder for the runs (default: %(default)s)")
    parser.add_argument("--tables", type=Path, default=tables_folder(),
                        help="folder for the tables (default: %(default)s)")
    add_launch(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the requested stages; 0 when all went well, 1 where a cell failed.

    Raises ConfigError for unusable arguments, before anything is computed, and NGFError where the
    cells cannot fit, Slurm does not answer, or the tables would replace those of more cells.
    """
    launch = launch_of(arguments)
    _check(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    launcher, store = opened(launch), RunStore(arguments.out.absolute())
    sweep = Sweep(store, _grid(arguments), launch)
    if "cells" in arguments.stages or arguments.dry_run:
        say(plan(sweep.states(), store, launch.cores), launcher)
    if arguments.dry_run:
        return 0
    store.prepare()
    failed: dict[str, str] = {}
    if "cells" in arguments.stages:
        print(sweep.submit(launcher), flush=True)
        failed |= _reported({one.cell.run_id: one.said for one in sweep.waited()
                             if one.state != DONE})
    wanted = [cell for stage in sweep.grid.stages() for cell in stage]
    if "claim" in arguments.stages:
        failed |= _reported(measure_all(claim.claim_readings(wanted, store), store, launcher,
                                        sweep.folder))
    if "sharpness" in arguments.stages:
        unmeasured = [(run_id, model, "") for run_id, model in _models(wanted, store)
                      if not sharpness.kept_file(store, run_id, model).exists()]
        failed |= _reported(measure_all(unmeasured, store, launcher, sweep.folder))
    if "tables" in arguments.stages:
        # All finished cells go into the tables, whatever this call computes.
        write_tables(list(cells(arguments.dataset, arguments.arch, list(ATTACKS), list(ENTRANTS),
                                arguments.seeds, arguments.limit, arguments.epochs)),
                     store, arguments.tables)
    return int(bool(failed))


def _grid(arguments: argparse.Namespace) -> Grid:
    def once(values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(values))

    return Grid(attacks=once(arguments.attacks), methods=once(arguments.methods),
                datasets=(arguments.dataset,), networks=(arguments.arch,),
                seeds=once(arguments.seeds), limit=arguments.limit, epochs=arguments.epochs)


def _reported(failed: dict[str, str]) -> dict[str, str]:
    """The same, printed: what failed, and why."""
    for name, why in failed.items():
        print(f"{name}: {why}", file=sys.stderr, flush=True)
    return failed


def _check(arguments: argparse.Namespace) -> None:
    if min(arguments.seeds) < 0:
        raise ConfigError("seeds", f"{min(arguments.seeds)} is negative", "Count seeds from 0.")
    trained = TrainConfig(dataset=arguments.dataset, arch=arguments.arch, limit=arguments.limit,
                          epochs=arguments.epochs)
    validate(trained)
    if not DATASETS[trained.dataset].embedded:
        find_source(trained.dataset)
    if "tables" in arguments.stages:
        try:
            arguments.tables.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=arguments.tables).close()
        except OSError as error:
            raise ConfigError("tables", f"nothing can be written in {arguments.tables} "
                              f"({error.strerror})", "Name another folder.") from error
        for table in list(_earlier(arguments.tables).values())[:1]:
            kinds = set(zip(table.dataset, table.arch)) - {(arguments.dataset, arguments.arch)}
            if kinds:
                raise ConfigError("tables", f"{arguments.tables} has those of "
                                  f"{' '.join(kinds.pop())}", "Name another folder.")
            usual = _training(TrainConfig())  # that of tables which do not tell
            there = _told(arguments.tables, "train") or usual
            if len(table) and there != _training(trained):
                raise ConfigError("tables", f"{arguments.tables} has those of models trained with "
                                  f"--limit {there['limit']} --epochs {there['epochs']}",
                                  "Name another folder.")


def write_tables(wanted: list[Cell], store: RunStore, folder: Path) -> None:
    """Write the results of the finished cells of `wanted`, and those of others from the existing
    tables (`ngf_core.evidence.earlier`): the tables, protocol.json and report.md.

    NGFError where an existing cell would be lost: a trial with other settings or models must not
    replace the tables that ship.
    """
    training = _training(wanted[0])
    trained = {(cell.attack, cell.seed): cell for cell in wanted
               if not cell.entrant and finished(cell, store)}
    floors = {key: floor(cell, trained["none", key[1]], store) for key, cell in trained.items()
              if cell.attack in ATTACKS and ("none", key[1]) in trained}
    tables = {"cells": cells_table(wanted, floors, store), "path": path_table(wanted, store),
              "claim": claim.claim_table(wanted, floors, store)}
    earlier = _earlier(folder)
    if earlier:
        tables["cells"] = completed_cells(tables["cells"], earlier["cells"], training)
        for name in ("path", "claim"):
            tables[name] = completed(name, tables[name], earlier[name], tables["cells"])
        gone = lost(tables, earlier)
        if gone:
            some = ", ".join(gone[:3]) + ", ..." * (len(gone) > 3)
            raise NGFError(f"{len(gone)} cells in {folder} are of other settings, or of models "
                           f"other than those trained here, and would be lost: {some}. Name "
                           "another folder with --tables.")
    cells = tables["cells"] = with_claim(tables["cells"], tables["claim"])
    seeds = sorted(set(cells.seed.tolist())) or sorted({cell.seed for cell in wanted})
    dataset, arch = wanted[0].dataset, wanted[0].arch
    grid, claimed = grid_of(cells, seeds, whole=is_ours(folder)), tables["claim"]
    command = command_for(dataset, arch, training["limit"], training["epochs"], grid,
                          claimed[claimed.model.isin(CLAIMED)].attack.unique(), folder)
    protocol = {"command": command, "dataset": dataset, "arch": arch, "train": training,
                "conditions": CONDITIONS, "seeds": seeds,
                "cells": grid.cells,
                "finished": int((cells.group != "model").sum()),
                "sharpness": sharpness.setting(), "git": git_state()}
    folder.mkdir(parents=True, exist_ok=True)
    # All are written before any is replaced, the cells last: they are what a rerun completes.
    with tempfile.TemporaryDirectory(dir=folder) as made:
        for name, table in tables.items():
            table.to_parquet(Path(made) / f"{name}.parquet", index=False)
        (Path(made) / PROTOCOL).write_text(json.dumps(protocol, indent=1) + "\n",
                                           encoding="utf-8")
        told = report(Path(made), whole=is_ours(folder))
        (Path(made) / "report.md").write_text(told, encoding="utf-8")
        for path in sorted(Path(made).iterdir(), key=lambda path: path.stem == "cells"):
            os.replace(path, folder / path.name)
    write_sizes(folder)
    print(f"{protocol['finished']} of {protocol['cells']} cells are in {folder}.")


def write_sizes(folder: Path) -> None:
    """Write sizes.md, what the tables at all sizes say of the claim, beside the main tables.

    folder: of the main tables, or one of those below it.
    """
    main = main_of(folder)
    replace_file(main / "sizes.md", claim_at_sizes(main).encode())


def _training(of: Cell | TrainConfig) -> dict[str, int]:
    """What --limit and --epochs set, as protocol.json has it."""
    return {"limit": of.limit, "epochs": of.epochs}


def _earlier(folder: Path) -> dict[str, pd.DataFrame]:
    """The existing tables, all or none; NGFError where some are missing or damaged."""
    missing = [name for name in KEYS if not (folder / f"{name}.parquet").exists()]
    if 0 < len(missing) < len(KEYS):
        raise NGFError(f"{folder} has tables, but no {missing[0]}.parquet. Restore it from a copy, "
                       "remove the others to start afresh, or name another folder with --tables.")
    if missing:
        return {}
    tables = {name: load(name, folder) for name in KEYS}
    if _told(folder, "sharpness") != sharpness.setting():
        tables["cells"][SHARPNESS] = float("nan")
    return tables


def _told(folder: Path, name: str) -> Any:
    """What the protocol.json of `folder` says under that name; None where that is unknown."""
    try:
        return json.loads((folder / PROTOCOL).read_text())[name]
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _models(wanted: Sequence[Cell], store: RunStore) -> list[tuple[str, str]]:
    """(run, model) of every finished cell."""
    there = [cell for cell in wanted if finished(cell, store)]
    return [(cell.run_id, ENTRANTS[cell.entrant].method if cell.entrant else BEFORE)
            for cell in there]
