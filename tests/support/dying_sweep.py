"""The command `sweep`, with pretended cells, killed when Slurm has taken the first jobs but their
id is not written yet: run it with python -m."""

import os
import signal
import sys

from ngf_core.cli.main import main
from ngf_core.launch import slurm
from ngf_core.launch.batches import Batch
from ngf_core.sweep import sweep
from tests.support.pretended_cell import WORKER

if __name__ == "__main__":
    keep = slurm.keep_batch

    def keep_and_die(folder, batch: Batch) -> None:
        if batch.job is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        keep(folder, batch)

    slurm.keep_batch = keep_and_die
    sweep.WORKER = WORKER
    raise SystemExit(main(sys.argv[1:]))
