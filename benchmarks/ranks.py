"""What each of two processes computes of a training, against one alone that computes all of it.

    python -m benchmarks.ranks                         # some four minutes on two idle cores
    python -m benchmarks.ranks --images 40 --out /tmp/ranks

BadNets on Signs, batch 128, as `ngf train --devices 1` and `--devices 2` compute it, one thread a
process, one epoch and then seven: the difference is six epochs and their evaluations, without the
start of Python. Share: processor seconds of one of two processes over those of one alone; 0.5 is
ideal.

Writes benchmarks/results/ranks.json and ranks.md.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.environment import environment
from ngf_core.config import TrainConfig
from ngf_core.ranks.torchrun import started_by_torchrun
from ngf_core.runs import RunStore

RESULTS = Path(__file__).parent / "results"
NETWORKS = ("mini_preact_resnet", "preact_resnet18_w16")
EPOCHS = (1, 7)


def trained(network: str, images: int, epochs: int, devices: int) -> tuple[float, float]:
    """Wall and processor seconds of a training, all its processes together."""
    with tempfile.TemporaryDirectory() as runs:
        run = RunStore(Path(runs)).create(TrainConfig(
            arch=network, attack="badnets", limit=images, epochs=epochs), ranks=devices)
        words = (sys.executable, "-m", "ngf_core.execute.worker", str(run.path))
        began, cpu = time.perf_counter(), _children()
        subprocess.run(words if devices == 1 else started_by_torchrun(words, devices), check=True,
                       env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        wall, used = time.perf_counter() - began, _children() - cpu
        if run.state != "done":
            raise RuntimeError(run.message)
    return wall, used


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def row_of(network: str, images: int) -> dict[str, Any]:
    """The seconds of six epochs on one process and on two."""
    row: dict[str, Any] = {"network": network, "images": images,
                           "load": round(os.getloadavg()[0], 1)}
    for devices in (1, 2):
        (wall, cpu), (longer, more) = (trained(network, images, epochs, devices)
                                       for epochs in EPOCHS)
        row |= {f"wall_{devices}": round(longer - wall, 1), f"cpu_{devices}": round(more - cpu, 1)}
    return row


def share(row: dict[str, Any]) -> float:
    """Processor seconds of one of two processes over those of one alone."""
    return float(row["cpu_2"] / 2 / row["cpu_1"])


def markdown(rows: list[dict[str, Any]]) -> str:
    """A row per network."""
    lines = ["| network, six epochs | one process, s | two, s | one process, processor seconds | "
             "two together | share of each |", "|---|---|---|---|---|---|"]
    lines += [f"| {row['network']} | {row['wall_1']:.1f} | {row['wall_2']:.1f} | "
              f"{row['cpu_1']:.1f} | {row['cpu_2']:.1f} | {share(row):.2f} |" for row in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure both networks, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=500, help="per class")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    rows = [row_of(network, arguments.images) for network in NETWORKS]
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "ranks.json").write_text(
        json.dumps({"rows": rows, "environment": environment()}, indent=1) + "\n")
    (arguments.out / "ranks.md").write_text(markdown(rows))
    print(markdown(rows))


if __name__ == "__main__":
    main()
