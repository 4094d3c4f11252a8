"""Every stage at four sizes on one core: the first three fit the model, the fourth tests it; and
the memory of four of them at a fifth, which tests their terms again.

    python -m benchmarks.scaling                       # about 8 minutes of one quiet core
    python -m benchmarks.scaling --only train --fresh
    python -m benchmarks.scaling --only train --memory # bytes again, seconds stay

Each measurement is a process of its own on one thread. Seconds are processor seconds, since other
work may run beside it; the lowest of some repeats where one is short. Memory is the most
that the process holds (its private memory, looked at every 4 ms), less what it held when everything
was imported; pages of mapped files do not count, as the system takes them back when it needs them.
Weights and images are random: neither cost depends on them. What is measured already is not
measured again.

Writes benchmarks/results/scaling.json after each measurement; at the end the coefficients, to
ngf_core/scaling/fitted.json, and the tables of docs/scaling.md, to scaling.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.environment import environment
from benchmarks.scaling.sizes import AGAIN, SIZES, TESTED_AGAIN
from ngf_core.scaling.model import FITTED
from ngf_core.scaling.stages import STAGES

LOOK = 0.004  # seconds
RESULTS = Path(__file__).parents[1] / "results"
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}


def main() -> None:
    """Measure what is not known yet, each in its own process; fit, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--sizes", nargs="+", choices=(*SIZES, AGAIN),
                        default=[*SIZES, AGAIN])
    parser.add_argument("--fresh", action="store_true", help="measure again what is known")
    parser.add_argument("--memory", action="store_true", help="measure only the bytes again")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        from benchmarks.scaling.measure import LEAST, SEEN, measured

        print(json.dumps(measured(arguments.only[0], arguments.sizes[0], arguments.child,
                                  SEEN if arguments.memory else LEAST)))
        return
    path = RESULTS / "scaling.json"
    known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"measured": {}}
    rows = known["measured"]
    for name in arguments.only:
        for size in arguments.sizes:
            if size == AGAIN and name not in TESTED_AGAIN:
                continue
            found = rows.setdefault(name, {}).setdefault(size, {})
            if found and not (arguments.fresh or arguments.memory):
                continue
            if arguments.memory or size == AGAIN:
                found["bytes"] = measure(name, size, "--memory")["bytes"]
            else:
                found |= measure(name, size)
            print(name, size, rows[name][size], flush=True)
            path.write_text(json.dumps({"measured": rows, "environment": environment()
                                        | {"threads": 1}}, indent=1) + "\n")
    if all(set(SIZES) <= set(rows.get(name, {})) for name in STAGES):
        from benchmarks.scaling.report import fit, page

        FITTED.write_text(json.dumps(fit(rows), indent=1) + "\n")
        (RESULTS / "scaling.md").write_text(page(rows))


def measure(name: str, size: str, *options: str) -> dict[str, float]:
    """{"seconds", "bytes"} of a stage at a size, by a process of its own.

    Its memory is looked at from here, so that looking takes none of its time.
    """
    from benchmarks.scaling.measure import BEGUN, prepared, private_memory

    with tempfile.TemporaryDirectory() as folder:
        prepared(name, size, Path(folder))
        command = [sys.executable, "-m", "benchmarks.scaling", "--child", folder, "--only", name,
                   "--sizes", size, *options]
        most = 0
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                              env=os.environ | THREADS) as child:
            while child.poll() is None:
                if (Path(folder) / BEGUN).exists():
                    with suppress(OSError, ValueError):  # it has just ended
                        most = max(most, private_memory(child.pid))
                time.sleep(LOOK)
            assert child.stdout is not None
            found: dict[str, float] = json.loads(child.stdout.read())
    return {"seconds": found["seconds"], "bytes": most - found["held"]}


if __name__ == "__main__":
    main()
