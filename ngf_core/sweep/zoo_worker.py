"""The process that computes one run of the zoo: `python -m ngf_core.sweep.zoo_worker FOLDER RUN
CONFIG`, the config as JSON.
"""

import faulthandler
import json
import os
import shutil
import sys
from pathlib import Path

from ngf_core.config import Config, from_json
from ngf_core.errors import NGFError
from ngf_core.execute import zoo
from ngf_core.execute.worker import limit_memory
from ngf_core.launch.needs import check_needs
from ngf_core.launch.slurm import JOB
from ngf_core.launch.taking import computed
from ngf_core.runs import RunStore


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 where the run is done, 1 where it is not, with the reason on stderr."""
    folder, run_id, config = sys.argv[1:] if arguments is None else arguments
    limit_memory()
    try:
        return compute(RunStore(Path(folder)), run_id, from_json(json.loads(config)),
                       os.environ.get(JOB))
    except NGFError as error:
        print(error, file=sys.stderr)
        return 1


def compute(store: RunStore, run_id: str, config: Config, job: str | None) -> int:
    """Put the run into the store; one that was stopped, or failed for what has been mended since,
    goes on. Raises RunError where its source is not there, another worker computes it or it has
    other settings."""
    if zoo.is_there(store, run_id, config):
        return 0
    check_needs(zoo.source_of(config), store)
    at_work = zoo.beside(store, run_id, config)
    zoo.taken_up(run_id, at_work, store)
    computed(at_work, run_id, config, lambda: False, job)
    made = zoo.settled(at_work.get(run_id), at_work, store)
    if made.path.parent == store.root:
        shutil.rmtree(at_work.root, ignore_errors=True)
    if made.state != "done":
        print(made.message, file=sys.stderr)
    return int(made.state != "done")


if __name__ == "__main__":
    faulthandler.enable()
    raise SystemExit(main())
