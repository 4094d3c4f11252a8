"""`sweep`: data sets × networks × attacks × methods × seeds, here or on a Slurm cluster."""

import argparse
import json
import signal
from pathlib import Path

from ngf_core.cli.launching import add_launch, launch_of, say
from ngf_core.cli.tables import print_json
from ngf_core.errors import ConfigError
from ngf_core.launch.opened import opened
from ngf_core.launch.settings import LaunchSettings
from ngf_core.runs import RunStore, default_store
from ngf_core.runs.store import BENCHMARK
from ngf_core.sweep.cell_states import DONE
from ngf_core.sweep.grid import read_grid
from ngf_core.sweep.plan import plan
from ngf_core.sweep.states import CellState, counted
from ngf_core.sweep.sweep import Sweep, sweep_in
from ngf_core.sweep.table import as_text, sweep_table
from ngf_core.text_table import aligned

STATUS, TABLE = "status", "table"
DESCRIPTION = """\
Compute every combination of data set, network, attack, method and seed of a grid, each as a run of
its own; what is there already is not computed again. It says first how many cells there are and
what they cost, and refuses what cannot fit. `sweep status` tells where each cell stands, `sweep
table` prints the results.

On a Slurm cluster the command submits jobs and returns. The folder of the runs has to be on a disk
that all nodes share. docs/cluster.md has an example.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `python -m ngf_core sweep`."""
    parser.description = DESCRIPTION
    parser.add_argument("what", metavar="GRID.toml|status|table", help="file of the grid; or what "
                        "to tell of the sweep in --out")
    parser.add_argument("--out", type=Path, default=default_store().root / BENCHMARK,
                        help="folder of the runs, that of the benchmark (default: %(default)s)")
    parser.add_argument("--resubmit", action="store_true",
                        help="status: submit again what failed or is missing, as it was before")
    parser.add_argument("--wait", action="store_true", help="return when no cell is queued or "
                        "running any more")
    parser.add_argument("--json", action="store_true", help="status, table: print as JSON")
    add_launch(parser)


def run(arguments: argparse.Namespace) -> int:
    """Start the sweep, or tell of it; 0 unless a cell failed.

    Raises ConfigError for a grid or a setting that cannot be used, and NGFError where the cells
    cannot fit or Slurm does not answer.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    launch = launch_of(arguments)
    if arguments.what in (STATUS, TABLE) and launch != LaunchSettings():
        raise ConfigError("launcher", f"`sweep {arguments.what}` takes no settings of workers: a "
                          "sweep keeps those that it was started with", "Leave them out, or start "
                          "the grid again with others.")
    if arguments.json and (arguments.what not in (STATUS, TABLE) or arguments.resubmit):
        raise ConfigError("json", "only `sweep status` and `sweep table` print JSON, and not while "
                          "they submit", "Leave it out, and ask `sweep status --json` afterwards.")
    if arguments.what == TABLE:
        return _tell_table(sweep_in(arguments.out.absolute()), arguments.json)
    if arguments.what == STATUS:
        sweep = sweep_in(arguments.out.absolute())
        if arguments.resubmit:
            return _submitted(sweep, arguments)
        return _told(sweep, arguments)
    grid = read_grid(Path(arguments.what))
    return _submitted(Sweep(RunStore(arguments.out.absolute()), grid, launch), arguments)


def _submitted(sweep: Sweep, arguments: argparse.Namespace) -> int:
    found = sweep.states()
    launcher = opened(sweep.launch)
    say(plan(found, sweep.store, sweep.launch.cores), launcher)
    if arguments.dry_run:
        return 0
    print(sweep.submit(launcher), flush=True)
    return _told(sweep, arguments)


def _told(sweep: Sweep, arguments: argparse.Namespace) -> int:
    found = sweep.waited() if arguments.wait else sweep.struck()
    if arguments.json:
        print_json([{"run": one.cell.run_id, "state": one.state, "said": one.said}
                    for one in found])
    else:
        rows = [[one.cell.run_id, one.state, one.said] for one in found if one.state != DONE]
        if rows:
            print(aligned([["run", "state", ""], *rows]))
        print(counted(found) + ".")
        _advise(found)
    return int(any(one.state == "failed" for one in found))


def _advise(found: list[CellState]) -> None:
    if any(one.state == "failed" for one in found):
        print("`sweep status --resubmit` submits again what failed.")
    elif all(one.state == DONE for one in found):
        print("`sweep table` prints the results.")


def _tell_table(sweep: Sweep, as_json: bool) -> int:
    table = sweep_table(sweep.states(), sweep.store)
    if as_json:
        print_json(json.loads(table.to_json(orient="records")))
    else:
        print(aligned(list(as_text(table))))
    return 0
