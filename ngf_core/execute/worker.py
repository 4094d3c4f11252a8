"""The process that computes one run: `python -m ngf_core.execute.worker RUN_DIR`.

It waits its turn, computes, and ends in one of three states: done, cancelled, or failed with a
message. The run directory records what it computed and how far it came, so it may be killed. Of
several ranks, started by torchrun, the first does all this and the others compute along, see
`together`.
"""

import errno
import faulthandler
import importlib
import os
import signal
import sys
import traceback
from contextlib import nullcontext
from pathlib import Path

from ngf_core.errors import ConfigError, NGFError, RunError
from ngf_core.execute.together import FirstWriter, all_ranks, follow, is_lost, lost_rank
from ngf_core.ranks.torchrun import place
from ngf_core.runs import Cancelled, DiskFull, Run, RunStore, RunWriter, default_store
from ngf_core.runs.cores import threads_here
from ngf_core.runs.jobs import turn
from ngf_core.runs.server_settings import GIGABYTE, ServerSettings, server_settings

# One module per kind of run, with execute(config, store, writer) -> results; imported when needed.
EXECUTES = {kind: f"ngf_core.execute.{kind}"
            for kind in ("train", "purify", "spectrum", "landscape", "layers", "audit")}
EXECUTES["import"] = "ngf_core.execute.import_model"  # whose own name is a keyword


def main(arguments: list[str] | None = None) -> int:
    """Compute the run in the folder named. Exit code 0 done, 1 cancelled or failed, 2 bad input."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if len(arguments) != 1:
        print("Usage: python -m ngf_core.execute.worker RUN_DIR", file=sys.stderr)
        return 2
    run, here = Run(Path(arguments[0]).resolve()), place()
    store = RunStore(run.path.parent, default_store().shipped)
    try:
        store.get(run.id)
        if here is None or here.rank == 0:
            _must_wait(run)
    except RunError as error:
        print(error, file=sys.stderr)
        return 2
    faulthandler.enable()
    give_way()
    limit_memory()
    os.environ.setdefault("OMP_NUM_THREADS", str(threads_here()))
    if here is not None and here.rank:
        return follow(run, here, EXECUTES)
    signal.signal(signal.SIGTERM, _stop)
    return work(run, store)


def work(run: Run, store: RunStore, waits: bool = True) -> int:
    """Wait, compute and write the final state; 0 where the run is done, else 1.

    It `waits` for its turn in its folder, unless something else has decided that it is.
    """
    writer, here = RunWriter(run), place()
    try:
        with turn(run, writer) if waits else nullcontext():
            _must_wait(run)
            writer.begin(threads_here(), *((here.count, here.nodes) if here else ()))
            writer.checkpoint()
            from ngf_core.device import instructions  # imports torch, which waiting does not need

            writer.note(instructions=instructions())
            config = run.config
            execute = importlib.import_module(EXECUTES[config.kind]).execute
            if here is None:
                writer.finish(execute(config, store, writer))
            else:
                with all_ranks(writer.log) as ranks:
                    writer.finish(execute(config, store, FirstWriter(writer, ranks)))
        return 0
    except (Cancelled, KeyboardInterrupt):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if here is not None and not (run.path / "cancel").exists():
            writer.fail(lost_rank(here, run), "process")  # torchrun stops all where one ends
        else:
            writer.cancel(f"Cancelled {run.reached()}.")
    except Exception as error:
        if here is not None:
            # torchrun sends it to all as soon as one ends, as those do that raise the same.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if not isinstance(error, NGFError):
            _log(writer, error)
        if here is not None and is_lost(error):
            writer.fail(lost_rank(here, run), "process")
        else:
            writer.fail(explain(error, run), lacked(error))
    return 1


def give_way() -> None:
    """On a shared server, take the processor after everything else: its pages answer while a job
    computes."""
    if _settings().shared and hasattr(os, "nice"):
        os.nice(19)


def limit_memory() -> None:
    """Limit this process's own memory to NGF_JOB_MEMORY_GB, where the system can (Linux).

    It limits private writable memory; files mapped to be read do not count.
    """
    limit = int(_settings().job_memory_gb * GIGABYTE)
    if limit and sys.platform == "linux":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _settings() -> ServerSettings:
    """Those of the server; the defaults where the environment cannot be read, which the run then
    says."""
    try:
        return server_settings()
    except ConfigError:
        return ServerSettings()


def lacked(error: Exception) -> str | None:
    """"disk" or "memory" where there was too little of it, else None."""
    if isinstance(error, DiskFull) or (
            isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)):
        return "disk"
    return "memory" if isinstance(error, MemoryError) or _is_torch_out_of_memory(error) else None


def explain(error: Exception, run: Run) -> str:
    """What went wrong, for the user: no stack trace, but what to do."""
    if isinstance(error, NGFError):
        return str(error)
    if lacked(error) == "memory":
        limit = _settings().job_memory_gb
        return (f"Out of memory {run.reached()}. Use a smaller batch or fewer samples, or "
                + (f"raise the limit of {limit:g} GB per job (NGF_JOB_MEMORY_GB)" if limit
                   else "close other programs") + ", and start again or go on.")
    if lacked(error) == "disk":
        return f"The disk is full {run.reached()}. Free some space and start again or go on."
    return (f"Something unexpected happened ({type(error).__name__}). "
            f"The details are in log.txt of run {run.id}.")


def _is_torch_out_of_memory(error: Exception) -> bool:
    # By name and text, since this module does not import torch; the CPU allocator raises a plain
    # RuntimeError.
    return type(error).__name__ == "OutOfMemoryError" or (
        isinstance(error, RuntimeError) and any(
            words in str(error) for words in ("can't allocate memory", "not enough memory")))


def _log(writer: RunWriter, error: Exception) -> None:
    try:
        writer.log("".join(traceback.format_exception(error)))
    except OSError as trouble:
        print(f"log.txt could not be written ({trouble})", file=sys.stderr)


def _must_wait(run: Run) -> None:
    manifest = run.manifest
    if manifest["state"] != "queued":
        raise RunError(f"Run {run.id} is already {manifest['state']}. "
                       "Start a new run with the same settings instead.")


def _stop(signal_number: int, frame: object) -> None:
    raise Cancelled


if __name__ == "__main__":
    raise SystemExit(main())
