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


class Struck(Run):
    """A run as it is once the job is struck out of it. Nothing is written."""

    def __init__(self, run: Run, job: str) -> None:
        super().__init__(run.path, run.shipped)
        self._run, self._job = run, job

    @property
    def manifest(self) -> dict[str, Any]:
        """The run's own as of now, without the job."""
        manifest = self._run.now().manifest
        return manifest | _without(manifest, self._job)


def names_job(run: Run, job: str) -> bool:
    """Whether the run waits for the job, or is computed by it, as far as its manifest tells."""
    return bool(_without(run.manifest, job))


def strike_job(run: Run, job: str) -> None:
    """The cluster no longer has the job: where the run still waits for it, it has none now."""
    change_as_it_is(run.path, lambda manifest: _without(manifest, job))


def _without(manifest: dict[str, Any], job: str) -> dict[str, Any]:
    held = manifest["state"] in LIVE and manifest["job"] == job
    return {"job": None, "pid_started": None} if held else {}
