"""The size of the folder of runs, from which on a server takes nothing more from browsers."""

from pathlib import Path

from ngf_core.errors import RunError
from ngf_core.runs.disk import folder_size
from ngf_core.runs.server_settings import GIGABYTE, server_settings


def refuse_full(root: Path) -> None:
    """Raise RunError where the folder of runs, with what was uploaded, has NGF_STORE_GB or more."""
    most = server_settings().store_gb
    used = folder_size(root) / GIGABYTE if most else 0.0
    if most and used >= most:
        raise RunError(f"The runs here take {used:.3g} GB, and new jobs and uploads are refused "
                       f"from {most:g} GB on (NGF_STORE_GB). Delete some runs on the Runs page, "
                       "and start again.")
