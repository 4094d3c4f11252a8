"""Runs that a job of a cluster computes.

A worker on another machine cannot be seen from here, so that the manifest names the job that
computes a run, and the run counts as alive for as long as it does. Who has asked the cluster and
found the job gone strikes it out: then the run is lost, like any whose worker died.
"""

from typing import Any

from ngf_core.runs.manifest import change_as_it_is
from ngf_core.runs.run import LIVE, Run


def note_job(run: Run, job: str | None) -> None:
    """The run is computed by that job; None by a process of this machine."""
    change_as_it_is(run.path, lambda manifest: {} if manifest["job"] == job else {"job": job})


def strike_job(run: Run, job: str) -> None:
    """The cluster no longer has the job: where the run still waits for it, it has none now."""
    def changes(manifest: dict[str, Any]) -> dict[str, Any]:
        held = manifest["state"] in LIVE and manifest["job"] == job
        return {"job": None, "pid_started": None} if held else {}

    change_as_it_is(run.path, changes)
