"""The fault campaign: `make faults`, or python -m tests.campaigns.faults [PART ...].

Kills workers and servers, fills a disk, damages files, and writes tests/campaigns/results/faults.md
and faults.json after each part. Ends with 1 where a count that must be 0 is not. What is promised
for each fault stands in docs/promises.md. It takes about half an hour and is no part of pytest.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from tests.campaigns.counts import Counts
from tests.campaigns.damage import damage_files
from tests.campaigns.full_disk import fill_disks
from tests.campaigns.report import RESULTS, write
from tests.campaigns.server_kills import kill_servers
from tests.campaigns.worker_kills import kill_workers

Part = Callable[[Path, argparse.Namespace, float], Counts]
PARTS: dict[str, Part] = {
    "damage": lambda folder, asked, end: damage_files(folder, Random(asked.seed)),
    "disk": lambda folder, asked, end: fill_disks(folder),
    "workers": lambda folder, asked, end: kill_workers(folder, asked.kills, Random(asked.seed),
                                                       end, pages=not asked.add),
    "servers": lambda folder, asked, end: kill_servers(folder, asked.server_kills,
                                                       Random(asked.seed), end),
}


def main(arguments: Sequence[str]) -> int:
    """Run the parts named, all by default; 0 where all counts that must be 0 are."""
    asked = _parser().parse_args(arguments)
    unknown = set(asked.parts) - set(PARTS)
    if unknown:
        _parser().error(f"there is no part {', '.join(sorted(unknown))}. Choose from: "
                        f"{', '.join(PARTS)}")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    command = " ".join(("python -m tests.campaigns.faults", *arguments))
    end, faults = time.monotonic() + 60 * asked.minutes, 0
    for name in asked.parts or PARTS:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            counts = PARTS[name](Path(folder), asked, end)
        seconds = time.monotonic() - began
        write(counts, seconds, asked.seed, command, asked.out, asked.add)
        faults += counts.faults.total()
        print(f"{counts.title}: {counts.not_run or dict(counts.done)} in {seconds:.0f} s; faults: "
              f"{dict(counts.faults) or 'none'}", flush=True)
    return int(faults > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.faults",
                                     description="Make faults for real and count what they cost.")
    parser.add_argument("parts", nargs="*", metavar="PART",
                        help=f"{', '.join(PARTS)}; all where none is named")
    parser.add_argument("--kills", type=int, default=200, help="workers to kill")
    parser.add_argument("--server-kills", type=int, default=20, help="servers to kill")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random moments and places")
    parser.add_argument("--minutes", type=float, default=60.0,
                        help="after which no further kill begins")
    parser.add_argument("--add", action="store_true", help="add to the counts of the last report; "
                        "killed workers' pages are not opened again")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the report")
    return parser


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
