"""Files as one zip, and runs as one."""

import io
import zipfile
from collections.abc import Mapping, Sequence

from ngf_core.errors import RunError
from ngf_core.runs.run import NO_RESULT, Run

MAX_BYTES = 500_000_000
# Tensors and arrays hardly get smaller, so they are not compressed again.
DENSE = (".safetensors", ".npz", ".parquet", ".pt")
PROGRAMS = (".sh",)


def zipped(runs: Sequence[Run]) -> bytes:
    """The manifests and result files of `runs`, each in a folder of its id; not their logs.

    The zip is made in memory. Raises RunError where a run computes or is gone, and where all are
    larger than `MAX_BYTES`.
    """
    check_zippable(runs)
    found: dict[str, bytes] = {}
    for run in runs:
        try:
            found |= {f"{run.id}/{path.name}": path.read_bytes() for path in run.path.iterdir()
                      if path.name == "manifest.json" or not (
                          path.name in NO_RESULT or path.name.startswith("."))}
        except FileNotFoundError:
            raise RunError(f"Run {run.id} has been deleted. Choose again.") from None
    return packed(found)


def check_zippable(runs: Sequence[Run]) -> None:
    """Raise RunError where a run computes, and where all are larger than `MAX_BYTES`."""
    for run in runs:
        if run.now().live:
            raise RunError(f"Run {run.id} is {run.state}. Wait until it ends, or leave it out.")
    if sum(run.size() for run in runs) > MAX_BYTES:
        raise RunError(f"These runs take more than {MAX_BYTES / 1e6:.0f} MB. Choose fewer, or copy "
                       "their folders on the server.")


def packed(files: Mapping[str, bytes]) -> bytes:
    """A zip of files by name: the same files give the same bytes, so all dates are 1980."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name)
            info.create_system = 3  # Unix, wherever it is made, since it has the rights of a file
            info.external_attr = (0o755 if name.endswith(PROGRAMS) else 0o644) << 16
            info.compress_type = (zipfile.ZIP_STORED if name.endswith(DENSE)
                                  else zipfile.ZIP_DEFLATED)
            archive.writestr(info, files[name])
    return content.getvalue()
