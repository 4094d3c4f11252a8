"""What pages may do with runs: start, list, stop. The disk alone holds their state."""

from ngf_core.config import Config
from ngf_core.runs import Run, RunStore, access, default_store, jobs


def start(config: Config, browser: str, again: bool = False) -> Run:
    """Create a run and start its worker, or share the one that does the same or, unless it is to
    be computed `again`, did it. Raises ConfigError, RunError, DiskFull.
    """
    return jobs.start(config, default_store(), browser, again)


def restart(run: Run, browser: str) -> Run:
    """Start a new run with the settings of an old one. Raises what `start` raises."""
    return jobs.restart(run, default_store(), browser)


def go_on(run: Run, browser: str) -> Run:
    """Let a run that stopped short go on, under the same id. Raises what `jobs.resume` raises."""
    return jobs.resume(run, default_store(), browser)


def live(store: RunStore) -> list[Run]:
    """The runs of a store that wait or compute, in the order of their creation.

    A shipped run that is just being built cannot be followed or stopped by a page.
    """
    return [run for run in jobs.live(store) if not run.shipped]


def cancel(run: Run, browser: str) -> bool:
    """Take back a browser's request for a run; where nobody else asked for it, ask it to stop.

    True where it stops; returns at once. Raises RunError where the browser may not stop it.
    """
    return jobs.withdraw(run, browser)


def pause(run: Run, browser: str) -> None:
    """Let a run wait before its next step. Raises RunError where the browser may not."""
    access.check_pause(run, browser)
    run.pause()


def resume(run: Run, browser: str) -> None:
    """Let a paused run continue. Raises RunError where the browser may not."""
    access.check_access(run, browser)
    run.resume()


def delete(run: Run, browser: str) -> None:
    """Delete a run. Raises RunError where the browser may not, and as `Run.delete`."""
    access.check_access(run, browser)
    run.delete()


def keep(run: Run, browser: str, kept: bool) -> None:
    """Keep a run from being deleted, or let it go. Raises RunError where the browser may not."""
    access.check_access(run, browser)
    run.keep() if kept else run.let_go()
