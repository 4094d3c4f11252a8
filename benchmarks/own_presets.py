"""NGF against one-layer SGD on Fashion-MNIST, with the presets that its own clean images choose.

    python -m benchmarks.own_presets      # half an hour of one core

The benchmark uses everywhere the presets that clean images of `signs` chose. Asked about
Fashion-MNIST, the same rule takes others (`benchmarks.choose_preset --models`, kept in
benchmarks/results/preset_fashion_mnist.json). Here both methods run with these on the models of the
benchmark: width 16, 500 images per class, six attacks, seeds 0 and 1, the last layer, the
benchmark's conditions. The rates under the presets of `signs` are those of its tables.

The rule reads no trigger and no test image; four of the twelve models, of seed 0, are those whose
clean loss it judged. That it was asked at all followed from a result on test images, where SGD had
left less. Writes benchmarks/results/own_presets.json and .md.
"""

import argparse
import json
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.environment import environment
from benchmarks.purified import Purification, rates_after
from ngf_core.attacks import ATTACKS
from ngf_core.evidence import TABLES, load
from ngf_core.evidence.folders import SIZES
from ngf_core.evidence.measures import wide
from ngf_core.evidence.rank import difference, estimate
from ngf_core.purify import NGF, SGD
from ngf_core.purify.settings import MethodSettings

ASKED, SEEDS = ("badnets", "blend", "troj_one", "sig", "wanet", "bpp"), (0, 1)
RESULTS = Path(__file__).parent / "results"
OUT = RESULTS / "own_presets.json"
TABLE = TABLES / SIZES / "fashion_mnist-preact_resnet18_w16"


def chosen() -> tuple[MethodSettings, ...]:
    """The settings of NGF and SGD that the rule took on clean images of Fashion-MNIST."""
    candidates = json.loads((RESULTS / "preset_fashion_mnist.json").read_text())["candidates"]
    (ngf,), (sgd,) = ([one["settings"] for one in candidates[name] if one["chosen"]]
                      for name in ("ngf", "sgd"))
    return NGF(**ngf), SGD(**sgd)


def ends(attack: str, seed: int, methods: Sequence[MethodSettings]) -> list[dict[str, Any]]:
    """ACC and ASR of one model after each method."""
    after = rates_after(f"fashion_mnist-{attack}-s{seed}-n500-train",
                        [Purification(own, seed) for own in methods])
    return [{"attack": attack, "seed": seed, "method": own.method, "acc": rates["acc"],
             "asr": rates["asr"]} for own, rates in zip(methods, after, strict=True)]


def table(rows: Sequence[dict[str, Any]], before: pd.DataFrame) -> str:
    """ASR per attack, seeds side by side, under both presets; then means and paired differences.

    rows: of `ends`. before: cells of the benchmark, under the presets of `signs`.
    """
    found = {}
    for measure in ("asr", "acc"):
        own = pd.DataFrame(rows).pivot(index=["attack", "seed"], columns="method", values=measure)
        theirs = wide(before, measure).reindex(index=own.index, columns=list(own))
        found[measure] = theirs.add_suffix(" signs").join(own.add_suffix(" own"))
    asr, acc = found["asr"], found["acc"]
    columns = [f"{name} {preset}" for preset in ("signs", "own") for name in ("ngf", "sgd")]
    lines = ["| ASR % at seeds " + ", ".join(map(str, sorted(asr.index.unique("seed")))) + " | NGF,"
             " presets of `signs` | SGD | NGF, own presets | SGD |", "|---|---|---|---|---|"]
    for attack in (name for name in ATTACKS if name in asr.index):
        cells = (" / ".join(f"{100 * value:.1f}" for value in asr.loc[attack, name].sort_index())
                 for name in columns)
        lines.append(f"| {ATTACKS[attack].title} | {' | '.join(cells)} |")
    for title, rates in (("mean ASR", asr), ("mean ACC", acc)):
        means = (estimate(rates[name], (0, 1)).in_percent() for name in columns)
        lines.append(f"| {title} (n = {len(rates)}) | {' | '.join(means)} |")
    for preset, title in (("signs", "the presets of `signs`"), ("own", "their own presets")):
        gaps = (difference(rates, f"ngf {preset}", f"sgd {preset}").in_percent(" points")
                for rates in (asr, acc))
        lines += ["", "With {}, NGF minus SGD is {} of ASR and {} of ACC.".format(title, *gaps)]
    asr = asr.assign(**{f"gap {preset}": asr[f"ngf {preset}"] - asr[f"sgd {preset}"]
                        for preset in ("signs", "own")})
    moved = (difference(asr, f"{name} own", f"{name} signs").in_percent(" points", signed=True)
             for name in ("ngf", "sgd", "gap"))
    lines += ["", "From the presets of `signs` to their own, the ASR that NGF leaves changes by "
              "{}, that of SGD by {}, and NGF minus SGD by {}.".format(*moved)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Purify every model, and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # as the workers; environment() records it
    models, methods = list(product(ASKED, SEEDS)), chosen()
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        parts = pool.map(ends, *zip(*models, strict=True), [methods] * len(models))
        rows = [row for part in parts for row in part]
    OUT.write_text(json.dumps({"command": "python -m benchmarks.own_presets", "rows": rows,
                               "settings": [str(own) for own in methods],
                               "environment": environment()}, indent=1) + "\n")
    OUT.with_suffix(".md").write_text(table(rows, load("cells", TABLE)))
    print(OUT.with_suffix(".md").read_text())


if __name__ == "__main__":
    main()
