"""Which unfinished runs can go on where they stopped, and putting one back into the queue.

One that is lost can, and one that failed for want of disk or memory or since one of its processes
had ended: nothing is wrong with what it computed. What it did until then lies in its parts, its
points and its files.
"""

from collections.abc import Mapping
from typing import Any

from ngf_core.config import PurifyConfig
from ngf_core.errors import RunError
from ngf_core.runs.manifest import ENGINE, change_manifest, utc_now, versions
from ngf_core.runs.run import Run


def stopped_short(run: Run) -> bool:
    """Whether the run ended without a result and without a fault of its own."""
    state = run.state
    return not run.shipped and (state == "lost" or (
        state == "failed" and run.manifest["lacked"] is not None))


def why_no_resume(run: Run) -> str | None:
    """Why the run cannot go on, as sentences that say what to do; None where it can."""
    if not stopped_short(run):
        return ("Only a run that is lost, or failed for want of disk, memory or a process, can go "
                f"on; this one {'ships with NGF Lab' if run.shipped else f'is {run.state}'}.")
    manifest = run.manifest
    others = other_versions(manifest)
    if others:
        return f"{others}: the two halves would not be of one run. Start it again."
    if isinstance(run.config, PurifyConfig):
        # Methods are iterators whose state cannot be kept: their steps are taken again.
        if run.config.seconds:
            return ("Its methods stop by the clock, so that the steps they took cannot be taken "
                    "again. Start it again.")
        if manifest["device"] not in (None, "cpu"):
            return ("On a GPU the same steps round differently each time, so that those it took "
                    "cannot be taken again. Start it again.")
    return None


def other_versions(manifest: Mapping[str, Any]) -> str | None:
    """That what computed a run is not what is installed, as a sentence without its full stop; None
    where it is. Engine and torch count: what decides over the numbers."""
    then, now = _computed_by(manifest), _computed_by({"engine": ENGINE, "versions": versions()})
    return None if then == now else f"It was computed by {then}, and here is {now}"


def _computed_by(manifest: Mapping[str, Any]) -> str:
    return f"engine {manifest['engine']} and torch {manifest['versions'].get('torch')}"


def requeue(run: Run) -> None:
    """Let the run wait for a worker again. Raises RunError where it cannot go on, and DiskFull.

    Its manifest's `resumed` gets an entry with the time, and with the processor's instructions
    that computed until then.
    """
    reason = why_no_resume(run)
    if reason:
        raise RunError(f"Run {run.id} cannot go on. {reason}")
    (run.path / "pause").unlink(missing_ok=True)
    manifest = run.manifest
    change_manifest(run.path, state="queued", message="", pid=None, pid_started=None,
                    finished=None, lacked=None, job=None, resumed=[*manifest["resumed"], {
                        "at": utc_now(), "instructions": manifest["instructions"]}])
