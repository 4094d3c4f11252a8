"""The process that computes one cell: `python -m ngf_core.sweep.worker FOLDER CELL`, the cell as
JSON.

It is the worker of any other run on a run directory in FOLDER, which needs no turn: the launcher
has decided that it is its. A model that ships with NGF Lab is copied.
"""

import faulthandler
import json
import os
import shutil
import sys
from pathlib import Path

from ngf_core.errors import NGFError
from ngf_core.evidence.cells import Cell, finished
from ngf_core.execute.worker import limit_memory
from ngf_core.launch.needs import check_needs
from ngf_core.launch.slurm import JOB
from ngf_core.launch.taking import computed
from ngf_core.runs import RunStore, default_store
from ngf_core.runs.rewrite import whole_copy
from ngf_core.sweep.grid import needs


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 where the cell's run is done, 1 where it is not, with the reason on stderr."""
    folder, cell = sys.argv[1:] if arguments is None else arguments
    limit_memory()
    try:
        return compute(Cell(**json.loads(cell)), RunStore(Path(folder)), os.environ.get(JOB))
    except NGFError as error:
        print(error, file=sys.stderr)
        return 1


def compute(cell: Cell, store: RunStore, job: str | None) -> int:
    """Put the cell's run into the store. Raises NGFError where its model is not there."""
    check_needs(needs(cell), store)
    return computed(store, cell.run_id, cell.config(store), lambda: _is_there(cell, store), job)


def _is_there(cell: Cell, store: RunStore) -> bool:
    """Whether the cell's run is finished, here or among those that ship, from where it is taken."""
    if finished(cell, store) is not None:
        return True
    zoo = default_store().shipped
    there = None if zoo is None or (store.root / cell.run_id).exists() else finished(
        cell, RunStore(zoo))
    if there is None:
        return False
    draft = store.root / f".copy-{cell.run_id}"
    shutil.rmtree(draft, ignore_errors=True)
    whole_copy(there, draft / cell.run_id).path.rename(store.root / cell.run_id)
    shutil.rmtree(draft)
    return True


if __name__ == "__main__":
    faulthandler.enable()
    raise SystemExit(main())
