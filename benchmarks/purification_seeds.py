"""How far NGF's end depends on its own seed: the same model, five seeds of the purification.

    python -m benchmarks.purification_seeds

The seed draws the clean batches and their augmentation; the clean images and the model stay. Every
attack of the zoo (`signs`, width 16, training seed 0), NGF's preset on the last layer, the
benchmark's conditions. `layout` is seed 0 once more on a model whose images lie in memory channels
last, which changes nothing but the order of sums. For comparison the last rows have NGF with one
batch's Fisher (decay 0, KL bound 0.3), the preset of before, on the attacks of ONE_BATCH; and the
last column the spread over models, from the benchmark's table: training seeds 0 to 2, each with
clean images and a purification of its own.

Nothing is chosen by these figures. Resumes: a model whose rows are in the file is left out. Writes
benchmarks/results/purification_seeds.json and .md.
"""

import argparse
import json
import os
import statistics
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.environment import environment
from benchmarks.purified import Purification, rates_after
from ngf_core.attacks import ATTACKS
from ngf_core.evidence import TABLES, load
from ngf_core.evidence.measures import wide
from ngf_core.purify import NGF

SEEDS = range(5)
ONE_BATCH = ("badnets", "blend")
PRESETS = {"ngf": NGF(), "one_batch": NGF(decay=0.0, kl_bound=0.3)}
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
OUT = Path(__file__).parent / "results" / "purification_seeds.json"


def ends(attack: str) -> list[dict[str, Any]]:
    """ACC, ASR and RA in % of one attack's model after each purification."""
    presets = PRESETS if attack in ONE_BATCH else ("ngf",)
    asked = [{"attack": attack, "preset": preset, "seed": seed, "layout": layout}
             for preset in presets
             for seed, layout in [*((seed, "contiguous") for seed in SEEDS), (0, "channels_last")]]
    after = rates_after(f"signs-{attack}-s0-train", [
        Purification(PRESETS[row["preset"]], row["seed"], LAYOUTS[row["layout"]]) for row in asked])
    return [row | {name: 100 * rate for name, rate in rates.items()}
            for row, rates in zip(asked, after, strict=True)]


def table(rows: Iterable[dict[str, Any]], cells: pd.DataFrame) -> str:
    """One line per attack and preset: mean and standard deviation over the seeds, how far another
    memory layout moves ASR, and ASR over the training seeds of the benchmark's `cells`."""
    lines = ["| attack | Fisher | ASR % | ACC % | RA % | ASR with another layout, seed 0 | "
             "ASR % over training seeds 0 to 2 |", "|---|---|---|---|---|---|---|"]
    trained = wide(cells, "asr")["ngf"].dropna().groupby(level="attack").agg(["mean", "std"])
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["preset"], row["attack"]), []).append(row)
    names = {"ngf": "running mean", "one_batch": "one batch"}
    for preset, attack in sorted(groups, key=lambda key: (key[0], list(ATTACKS).index(key[1]))):
        mine = groups[preset, attack]
        seeds = [row for row in mine if row["layout"] == "contiguous"]
        rates = [f"{statistics.mean(r[m] for r in seeds):.1f} ± "
                 f"{statistics.stdev(r[m] for r in seeds):.1f}" for m in ("asr", "acc", "ra")]
        first = next(row["asr"] for row in seeds if row["seed"] == 0)
        other = next(row["asr"] for row in mine if row["layout"] == "channels_last")
        lines.append(f"| {ATTACKS[attack].title} | {names[preset]} | {' | '.join(rates)} | "
                     f"{first:.1f} → {other:.1f} | {_spread(trained, attack, preset)} |")
    return "\n".join(lines) + "\n"


def _spread(trained: pd.DataFrame, attack: str, preset: str) -> str:
    if preset != "ngf" or attack not in trained.index:
        return ""
    mean, deviation = 100 * trained.loc[attack]
    return f"{mean:.1f} ± {deviation:.1f}"


def main() -> None:
    """Purify what is not in the file yet, written after each model, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attacks", nargs="+", choices=tuple(ATTACKS), default=list(ATTACKS))
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # as the workers; environment() records it
    rows = json.loads(OUT.read_text())["rows"] if OUT.exists() else []
    cells = load("cells", TABLES)
    missing = [a for a in arguments.attacks if a not in {row["attack"] for row in rows}]
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        for done in as_completed([pool.submit(ends, attack) for attack in missing]):
            rows += done.result()
            OUT.write_text(json.dumps({"command": "python -m benchmarks.purification_seeds",
                                       "rows": rows, "environment": environment()}, indent=1)
                           + "\n")
    OUT.with_suffix(".md").write_text(table(rows, cells))
    print(table(rows, cells))


if __name__ == "__main__":
    main()
