"""What pages may do with runs: start, list, stop. The disk alone holds their state."""

from ngf_core.config import Config
from ngf_core.runs import Run, RunStore, default_store, jobs


def start(config: Config) -> Run:
    """Create a run and start its worker. Raises ConfigError, RunError, DiskFull."""
    return jobs.start(config, default_store())


def restart(run: Run) -> Run:
    """Start a new run with the settings of an old one."""
    return jobs.restart(run, default_store())


def live(store: RunStore) -> list[Run]:
    """The runs of a store that wait or compute, in the order of their creation.

    A shipped run that is just being built cannot be followed or stopped by a page.
    """
    return [run for run in jobs.live(store) if not run.shipped]


def cancel(run: Run) -> None:
    """Ask a run to stop; returns at once."""
    jobs.cancel(run)
