"""The runs that have to be there before one can start."""

from collections.abc import Iterable

from ngf_core.errors import RunError
from ngf_core.runs import RunStore


def check_needs(run_ids: Iterable[str], store: RunStore) -> None:
    """Raise RunError where one of these runs is not done."""
    for run_id in run_ids:
        try:
            state, message = store.find(run_id).status()
        except RunError:
            state, message = "missing", ""
        if state != "done":
            why = f" {message}" if state == "failed" else ""
            raise RunError(f"It starts from {run_id}, which was {state} when its turn came.{why}")
