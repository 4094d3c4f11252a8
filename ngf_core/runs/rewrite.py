"""Other forms of a finished run's tensor files: smaller ones, and whole ones in a copy."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from ngf_core.runs.disk import file_sha, replace_file
from ngf_core.runs.manifest import change_manifest
from ngf_core.runs.run import Run
from ngf_core.runs.tensors import encode, shapes


def rewrite(run: Run, contents: Mapping[str, bytes]) -> None:
    """Replace files of a finished run by name, and their checksums in its manifest.

    For runs that nobody reads yet: between the two the run is damaged. Raises DiskFull.
    """
    for name, content in contents.items():
        replace_file(run.path / name, content)
    change_manifest(run.path, files=run.manifest["files"] | {
        name: file_sha(run.path / name) for name in contents})


def whole_copy(run: Run, folder: Path) -> Run:
    """A copy of a run in `folder`, of the same name, that needs no other run: files that hold only
    what differs from a base hold everything in it.

    Raises RunError where a base is missing or has changed, and DiskFull.
    """
    contents = {path.name: encode(run.tensors(path.name))
                for path in run.path.glob("*.safetensors") if shapes(path)[1] is not None}
    copy = Run(shutil.copytree(run.path, folder))
    rewrite(copy, contents)
    return copy
