"""What a bundle holds: the files of its runs, their numbers as tables, a report, and the way back.

    bundle.json              which runs, asked for and stood on, and the spread that is allowed
    report.html              everything on one page that opens offline
    reproduce.sh             computes the runs again and compares
    requirements.lock        the packages, pinned
    runs/ID/                 manifest, events, curves, arrays; weights only on demand
    tables/, figures/        curves, and the data of each figure, as CSV
    SHA256SUMS               of every other file
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import ngf_core
from ngf_core.bundle.differences import SPREAD
from ngf_core.bundle.figures import figures_of
from ngf_core.bundle.report import report
from ngf_core.bundle.reproduce import script
from ngf_core.errors import RunError
from ngf_core.paths import shipped
from ngf_core.runs import Run, RunStore
from ngf_core.runs.archive import check_zippable, packed
from ngf_core.runs.lineage import with_sources
from ngf_core.runs.manifest import encoded, git_state

FORMAT = 1
ABOUT, SUMS = "bundle.json", "SHA256SUMS"
# Files of a run that hold its weights, or from which they can be made.
WEIGHTS = (".safetensors",)
PATHS = "path_"


def bundle(runs: Sequence[Run], store: RunStore, weights: bool = False) -> bytes:
    """The zip of `contents`, the same bytes for the same runs. Raises RunError as it does."""
    return packed(contents(runs, store, weights))


def contents(runs: Sequence[Run], store: RunStore, weights: bool = False) -> dict[str, bytes]:
    """The files of a bundle by name: of the runs and of all that they stand on.

    Raises RunError where one of them is missing, damaged, not done or too large, and NGFError where
    Plotly, which draws the report, is not installed.
    """
    family = with_sources(runs, store)
    check_zippable(family)
    unfinished = next((run for run in family if run.state != "done"), None)
    if unfinished is not None:
        raise RunError(f"Run {unfinished.id} is {unfinished.state}, and a bundle holds finished "
                       "runs. Let it go on or start it again, or leave it out.")
    asked = [run.id for run in runs]
    drawn = {run.id: figures_of(run) for run in family}
    files: dict[str, bytes] = {}
    for run in family:
        files |= _files(run, weights)
        if len(points := run.points()):
            files[f"tables/{run.id}-curves.csv"] = points.to_csv(index=False).encode()
        files |= {f"figures/{run.id}-{figure.name}.csv": figure.table.to_csv(index=False).encode()
                  for figure in drawn[run.id]}
    files[ABOUT] = _json({
        "format": FORMAT, "asked": asked, "runs": [run.id for run in family], "weights": weights,
        "spread": SPREAD, "ngf_core": ngf_core.__version__})
    files["report.html"] = report(family, asked, drawn)
    files["reproduce.sh"] = script(family, git_state())
    files["requirements.lock"] = shipped("requirements.lock").read_bytes()
    files[SUMS] = sums(files)
    return files


def sums(files: Mapping[str, bytes]) -> bytes:
    """SHA256SUMS of the files, as `sha256sum --check` reads it."""
    return "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n"
                   for name in sorted(files)).encode()


def _files(run: Run, weights: bool) -> dict[str, bytes]:
    """The files that a run's manifest names, each as the run wrote it, and that manifest.

    Who asked for the run is left out: on a shared server that is the key of a browser.
    """
    manifest = run.manifest
    files = {f"runs/{run.id}/{name}": run.content(name) for name in sorted(manifest["files"])
             if weights or not (name.endswith(WEIGHTS) or name.startswith(PATHS))}
    stripped = manifest | {"askers": [], "pid": None, "pid_started": None, "job": None}
    return files | {f"runs/{run.id}/manifest.json": encoded(stripped)}


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode() + b"\n"
