"""What a browser may do with a run: the one rule behind disabled buttons and refused requests."""

from collections.abc import Mapping
from typing import Any

from ngf_core.errors import RunError
from ngf_core.runs.run import Run
from ngf_core.runs.server_settings import READONLY, server_settings


def askers(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """The browsers that asked for a run; none where the command line started it."""
    return tuple(manifest.get("askers") or ())


def why_not(run: Run, asker: str) -> str | None:
    """Why the browser `asker` may not stop or change a run, as a sentence; None where it may.

    On a shared server only those who asked for a run may, elsewhere everybody; nobody may change a
    shipped run, and nobody anything on a server that only shows.
    """
    settings = server_settings()
    if settings.readonly:
        return READONLY
    if run.shipped:
        return "It ships with NGF Lab."
    if settings.shared and asker not in askers(run.manifest):
        return "Only a browser that asked for this run may stop or change it."
    return None


def why_no_pause(run: Run, asker: str) -> str | None:
    """The same for pausing, which on a shared server would hold up all others."""
    if server_settings().shared:
        return "On a shared server a paused run would hold up the others."
    return why_not(run, asker)


def check_access(run: Run, asker: str) -> None:
    """Raise RunError where the browser `asker` may not stop or change the run."""
    _refuse(run, why_not(run, asker))


def check_pause(run: Run, asker: str) -> None:
    """Raise RunError where the browser `asker` may not pause the run."""
    _refuse(run, why_no_pause(run, asker))


def _refuse(run: Run, reason: str | None) -> None:
    if reason:
        raise RunError(f"Run {run.id} stays as it is. {reason}")
