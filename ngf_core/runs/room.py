"""How full a server is: the folder of runs and decoded images, against NGF_STORE_GB."""

from math import inf
from pathlib import Path

from ngf_core.data.stored import decoded_size, forget_unused
from ngf_core.errors import RunError
from ngf_core.paths import cache_folder
from ngf_core.runs.disk import folder_size
from ngf_core.runs.server_settings import GIGABYTE, server_settings


def room(root: Path) -> float:
    """Bytes that the folder of runs, with what was uploaded, and decoded images in the cache folder
    may still grow by; infinite without NGF_STORE_GB."""
    most = server_settings().store_gb
    return most * GIGABYTE - _used(root) if most else inf


def refuse_full(root: Path, more: int = 0) -> None:
    """Raise RunError where there is no room, or less than `more` bytes.

    Decoded images that nothing has used for a day go first.
    """
    most = server_settings().store_gb
    if not most:
        return
    forget_unused()
    if room(root) <= more:
        raise RunError(f"The runs and decoded images here take {_used(root) / GIGABYTE:.3g} GB, "
                       f"and new jobs and uploads are refused from {most:g} GB on (NGF_STORE_GB). "
                       "Delete some runs on the Runs page, and start again.")


def _used(root: Path) -> int:
    inside = cache_folder().resolve().is_relative_to(root.resolve())
    return folder_size(root) + (0 if inside else decoded_size())
