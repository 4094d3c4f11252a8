"""What a sweep costs besides its cells: per cell, as it grows, and on two workers against one.

    python -m benchmarks.sweeps                          # local only: some fifteen minutes
    python -m benchmarks.sweeps --partition cpu          # and on the Slurm that answers here
    python -m benchmarks.sweeps --only overhead --cells 40 --out /tmp/sweeps

overhead, slurm: tiny cells of the mini network (40 images per class, one epoch), computed by real
workers, here and, with --partition, on Slurm.
Overhead of a cell: wall time × workers, less the seconds between beginning and end in the cells'
manifests, per cell. It holds the start of Python, the import of torch and the launcher.
growth: fabricated run directories, half of the cells done and a tenth failed; seconds of the plan,
of `sweep status`, of the submission of the others to Slurm, where they are held and then cancelled,
and of `sweep status` while they are queued. Each size in a process of its own, whose peak memory is
listed. The command has to import torch besides, which is a column of its own.
efficiency: the same cells, twelve trainings and purifications of the mini network, on one worker
and on two; wall time on one over twice that on two. Processor seconds stand beside the wall time,
since a machine with other work to do takes longer; its load before each is told.

Writes benchmarks/results/sweeps.json after each part, and sweeps.md.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PARTS = ("overhead", "slurm", "growth", "efficiency")
SIZES = (200, 500, 1000, 2000)
# Ten cells a seed: a benign model, three backdoored ones, and two purifications of each.
GRID: dict[str, Any] = {"attacks": ("badnets", "blend", "wanet"), "methods": ("clp", "sgd"),
                        "networks": ("mini_preact_resnet",)}
FILES = tuple(f"file{number}" for number in range(6))  # of a fabricated run
TINY = {"limit": 40, "epochs": 1}
# Of a size at which a cell takes ten seconds and more.
REAL: dict[str, Any] = {"attacks": ("badnets",), "methods": ("sgd",), "seeds": (0, 1, 2, 3),
                        "networks": ("mini_preact_resnet",), "limit": 200, "epochs": 4}


def sweep_of(folder: Path, grid: Any, **launch: Any) -> Any:
    """The sweep of that grid in a folder of its own."""
    from ngf_core.launch.settings import LaunchSettings
    from ngf_core.runs import RunStore
    from ngf_core.sweep.sweep import Sweep

    return Sweep(RunStore(folder), grid, LaunchSettings(**launch))


def computed(grid: Any, workers: int, partition: str = "") -> dict[str, Any]:
    """Compute a grid from nothing: wall and processor seconds, and those of the cells' own."""
    from ngf_core.launch.opened import opened
    from ngf_core.sweep import sweep as module
    from ngf_core.sweep.states import DONE

    module.LOOK = 1.0
    launch: dict[str, Any] = {"launcher": "slurm", "partition": partition, "minutes": 60,
                              "array_parallelism": workers} if partition else {"workers": workers}
    # Not in /tmp of its own: on a cluster the nodes have to see it.
    with tempfile.TemporaryDirectory(dir=os.environ.get("NGF_RUNS")) as folder:
        sweep = sweep_of(Path(folder), grid, **launch)
        load, cpu, began = os.getloadavg()[0], _children(), time.perf_counter()
        sweep.submit(opened(sweep.launch))
        found = sweep.waited()
        wall = time.perf_counter() - began
        missing = [one.said for one in found if one.state != DONE]
        if missing:
            raise RuntimeError(f"{len(missing)} cells were not computed: {missing[0]}")
        own = sum(_seconds(sweep.store.get(one.cell.run_id).manifest) for one in found)
    return {"launcher": "slurm" if partition else "local", "workers": workers,
            "cells": len(found), "wall": round(wall, 1), "own": round(own, 1),
            "cpu": None if partition else round(_children() - cpu, 1), "load": round(load, 1),
            "overhead": round((wall * workers - own) / len(found), 2)}


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _seconds(manifest: dict[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(manifest[key]) for key in ("started", "finished"))
    return (ended - began).total_seconds()


def grown(cells: int, partition: str) -> dict[str, Any]:
    """Plan, status and submission of a sweep of so many cells, most of them fabricated."""
    row: dict[str, Any] = {"cells": cells, "load": round(os.getloadavg()[0], 1)}
    timed(row, "import", lambda: import_module("ngf_core.cli.sweep"))
    from ngf_core.launch.opened import opened
    from ngf_core.sweep.grid import Grid
    from ngf_core.sweep.plan import plan

    launch = {"launcher": "slurm", "partition": partition, "sbatch": "hold"} if partition else {}
    grid = Grid(**GRID, seeds=tuple(range(cells // 10)))
    with tempfile.TemporaryDirectory(dir=os.environ.get("NGF_RUNS")) as folder:
        sweep = sweep_of(Path(folder), grid, **launch)
        fabricate(sweep)
        sweep.keep()
        found = timed(row, "status", sweep.states)
        timed(row, "plan", lambda: plan(found, sweep.store, 1))
        if partition:
            try:
                timed(row, "submit", lambda: sweep.submit(opened(sweep.launch)))
                timed(row, "queued", sweep.states)
            finally:
                _cancel(sweep)
    return row | {"peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}


def timed(row: dict[str, Any], name: str, call: Any) -> Any:
    """What the call returns; its wall and processor seconds, children included, go into the row."""
    cpu, began = time.process_time() + _children(), time.perf_counter()
    answer = call()
    row[name] = round(time.perf_counter() - began, 3)
    row[f"{name}_cpu"] = round(time.process_time() + _children() - cpu, 3)
    return answer


def fabricate(sweep: Any) -> None:
    """Half of the cells done and a tenth failed, in the order in which a sweep computes them; the
    manifests hold what those of real runs hold."""
    from ngf_core.attacks.attack import attack_class
    from ngf_core.evidence.entrants import ENTRANTS
    from ngf_core.runs.manifest import change_manifest, utc_now

    cells = [cell for stage in sweep.grid.stages() for cell in stage]
    counts = {name: {"hits": 900, "n": 1000} for name in ("acc", "asr", "ra")}
    strengths = {name: attack_class(name).strengths["default"] for name in sweep.grid.attacks}
    for place, cell in enumerate(cells[:6 * len(cells) // 10]):
        run = sweep.store.create(cell.asked(), cell.run_id)
        now, done = utc_now(), place < len(cells) // 2
        name = ENTRANTS[cell.entrant].method if cell.entrant else "train"
        results = {name: counts, "before": counts, "parameters": strengths.get(cell.attack),
                   "class_names": [f"class {number}" for number in range(10)],
                   "layer": "blocks.2.conv1"}
        change_manifest(run.path, started=now, finished=now, state="done" if done else "failed",
                        message="" if done else "The loss is not finite. Use a smaller rate.",
                        results=results if done else {},
                        files=dict.fromkeys(FILES, "0" * 64))
        for name in FILES:
            (run.path / name).touch()


def _cancel(sweep: Any) -> None:
    from ngf_core.launch.batches import batches

    for batch in batches(sweep.folder):
        if batch.job:
            subprocess.run(["scancel", batch.job], check=True)


def import_seconds() -> float:
    """Seconds until a worker has imported what it needs, the least of three."""
    def once() -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import ngf_core.sweep.worker"], check=True)
        return time.perf_counter() - began
    return round(min(once() for _ in range(3)), 2)


def markdown(known: dict[str, Any]) -> str:
    """A table per part."""
    blocks = []
    if "overhead" in known:
        lines = ["| tiny cells | workers | wall time, s | cells' own seconds | overhead of a cell, "
                 "s | of it import, s | load before |", "|---|---|---|---|---|---|---|"]
        lines += [f"| {row['cells']}, {row['launcher']} | {row['workers']} | {row['wall']:.0f} | "
                  f"{row['own']:.0f} | {row['overhead']:.1f} | {row['import']:.1f} | {_load(row)} |"
                  for row in known["overhead"]]
        blocks.append("\n".join(lines))
    if "growth" in known:
        lines = ["| cells of a sweep | `sweep status`, s | plan, s | half submitted to Slurm, s | "
                 "`sweep status` while queued, s | import, s | peak memory, MB |",
                 "|---|---|---|---|---|---|---|"]
        lines += [" | ".join([f"| {row['cells']:,}", *(_pair(row, name) for name in (
            "status", "plan", "submit", "queued", "import")), f"{row['peak_mb']} |"])
            for row in known["growth"]]
        blocks.append("\n".join(lines))
    if "efficiency" in known:
        one, two = known["efficiency"]
        lines = ["| cells of the mini network | wall time, s | processor seconds | of ideal | load "
                 "before |", "|---|---|---|---|---|",
                 f"| {one['cells']}, on one worker | {one['wall']:.0f} | {one['cpu']:.0f} | 1 | "
                 f"{_load(one)} |",
                 f"| {two['cells']}, on two workers | {two['wall']:.0f} | {two['cpu']:.0f} | "
                 f"{efficiency(one, two):.2f} | {_load(two)} |"]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _load(row: dict[str, Any]) -> str:
    """Of the machine before, without what was measured."""
    return str(row.get("load", "not noted"))


def _pair(row: dict[str, Any], name: str) -> str:
    """Wall seconds, with the processor's in brackets."""
    return f"{row[name]:.2f} ({row[f'{name}_cpu']:.2f})" if name in row else "not measured"


def efficiency(one: dict[str, Any], two: dict[str, Any]) -> float:
    """Wall time on one worker over twice that on two."""
    return float(one["wall"] / (two["workers"] * two["wall"]))


def main() -> None:
    """Measure the parts that were asked for, and draw the tables."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--cells", type=int, default=200, help="of the overhead, a multiple of 10")
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES), help="of the growth")
    parser.add_argument("--partition", default="", help="of the Slurm that answers here")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(grown(arguments.child, arguments.partition)))
        return
    from ngf_core.sweep.grid import Grid

    path = arguments.out / "sweeps.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    for part in arguments.only:
        if part == "slurm" and not arguments.partition:
            continue
        if part in ("overhead", "slurm"):
            tiny = Grid(**GRID, **TINY, seeds=tuple(range(arguments.cells // 10)))
            spent = {"import": import_seconds()}
            row = computed(tiny, 2, arguments.partition if part == "slurm" else "") | spent
            others = [one for one in known.get("overhead", ())
                      if one["launcher"] != row["launcher"]]
            known["overhead"] = sorted([*others, row], key=lambda one: str(one["launcher"]))
        elif part == "growth":
            known[part] = [_child(size, arguments.partition) for size in arguments.sizes]
        else:
            known[part] = [computed(Grid(**REAL), workers) for workers in (1, 2)]
        print(json.dumps(known["overhead" if part == "slurm" else part], indent=1), flush=True)
        known["environment"] = _environment()
        arguments.out.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(known, indent=1) + "\n")
        (arguments.out / "sweeps.md").write_text(markdown(known))


def _environment() -> dict[str, Any]:
    from benchmarks.environment import environment  # imports torch, whose import is measured here

    return environment()


def _child(size: int, partition: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", "benchmarks.sweeps", "--child", str(size),
                           "--partition", partition], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
