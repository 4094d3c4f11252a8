"""What was measured of a race's models."""

from app import state
from ngf_core.runs import Run


def measurement_of(race: Run, kind: str) -> Run | None:
    """The newest finished run of a kind ("landscape", "spectrum") on a race; None without one."""
    return next((run for run in state.store().list(kind)
                 if run.state == "done" and run.manifest["source"] == race.id), None)
