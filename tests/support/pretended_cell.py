"""The worker of a sweep's cell without the science: run it with python -m, as the real one.

A cell counts to STEPS; its result is a sum that depends on every step and on the cell. It keeps
each step in its run directory and goes on from there, and a line of counted.log in the folder of
the runs tells that a step was taken. So whoever counts twice, or from elsewhere, is found out.
"""

import json
import os
import sys
import time
import zlib
from pathlib import Path
from types import ModuleType

from ngf_core.config import Config, TrainConfig
from ngf_core.errors import NGFError
from ngf_core.evidence.entrants import ENTRANTS
from ngf_core.execute import worker
from ngf_core.launch.needs import check_needs
from ngf_core.launch.slurm import JOB
from ngf_core.launch.taking import computed
from ngf_core.runs import RunStore
from ngf_core.runs.disk import replace_file
from ngf_core.runs.names import model_name

STEPS, SECONDS, KEPT = 6, 0.15, "steps.json"
FAILS = "PRETENDED_FAILURE"  # in the environment: the id of a run that fails
WORKER = (sys.executable, "-m", "tests.support.pretended_cell")


def execute(config: Config, store: RunStore, writer) -> dict:
    run = writer.run
    if os.environ.get(FAILS) == run.id:
        raise NGFError("The disk is full.")
    kept = run.path / KEPT
    taken = json.loads(kept.read_text()) if kept.exists() else [zlib.crc32(run.id.encode())]
    for step in range(len(taken), STEPS + 1):
        writer.checkpoint()
        time.sleep(SECONDS)
        taken.append((taken[-1] * 31 + step) % 10**9)
        replace_file(kept, json.dumps(taken).encode())
        with open(store.root / "counted.log", "a") as log:
            log.write(f"{run.id} {step}\n")
        writer.progress(step, STEPS, f"step {step}")
    entry = {"acc": {"hits": taken[-1] % 1000, "n": 1000}, "asr": None, "ra": None}
    return {"train": entry, "layer": "blocks.2.conv1"} | (
        {own.method: entry for own in getattr(config, "methods", ())})


def config_of(cell: dict) -> tuple[str, tuple[str, ...], Config]:
    """The run's id, what it needs and its config, as the real Cell has them, which needs torch."""
    trained = {name: cell[name] for name in ("dataset", "arch", "attack", "seed", "limit",
                                             "epochs")}
    model = model_name(cell["dataset"], cell["arch"], cell["attack"], cell["seed"])
    if not cell["entrant"]:
        return f"{model}-train", (), TrainConfig(**trained)
    source = f"{model}-train"
    return (f"{model}-{cell['entrant']}", (source,),
            ENTRANTS[cell["entrant"]].config(source, cell["seed"]))


def main() -> int:
    # Importing torch takes longer than all that a cell does here.
    sys.modules["ngf_core.device"] = device = ModuleType("ngf_core.device")
    device.instructions = lambda: "none"
    worker.EXECUTES = dict.fromkeys(worker.EXECUTES, "tests.support.pretended_cell")
    folder, fields = sys.argv[1:]
    store, (run_id, needed, config) = RunStore(Path(folder)), config_of(json.loads(fields))
    try:
        check_needs(needed, store)
        return computed(store, run_id, config, lambda: _is_done(store, run_id),
                        os.environ.get(JOB))
    except NGFError as error:
        print(error, file=sys.stderr)
        return 1


def _is_done(store: RunStore, run_id: str) -> bool:
    path = store.root / run_id
    return path.is_dir() and store.find(run_id).state == "done"


if __name__ == "__main__":
    raise SystemExit(main())
