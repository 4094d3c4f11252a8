"""Runs as one zip file, and how much disk they take."""

import io
import zipfile
from collections.abc import Sequence

from ngf_core.errors import RunError
from ngf_core.runs.run import NO_RESULT, Run

MAX_BYTES = 500_000_000


def zipped(runs: Sequence[Run]) -> bytes:
    """The manifests and result files of `runs`, each in a folder of its id; not their logs.

    The zip is made in memory. Raises RunError where a run computes or is gone, and where all are
    larger than `MAX_BYTES`.
    """
    for run in runs:
        if run.now().live:
            raise RunError(f"Run {run.id} is {run.state}. Wait until it ends, or leave it out.")
    if sum(run.size() for run in runs) > MAX_BYTES:
        raise RunError(f"These runs take more than {MAX_BYTES / 1e6:.0f} MB. Choose fewer, or copy "
                       "their folders on the server.")
    content = io.BytesIO()
    # Tensors and arrays hardly get smaller, so nothing is compressed again.
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for run in runs:
            try:
                for path in sorted(run.path.iterdir()):
                    if path.name == "manifest.json" or not (
                            path.name in NO_RESULT or path.name.startswith(".")):
                        archive.write(path, f"{run.id}/{path.name}")
            except FileNotFoundError:
                raise RunError(f"Run {run.id} has been deleted. Choose again.") from None
    return content.getvalue()
