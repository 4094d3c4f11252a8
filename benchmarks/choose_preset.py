"""How the purification presets were chosen: on clean images only, one rule for every method.

    python -m benchmarks.choose_preset

No trigger, no test image and no target label is read here. Of the defender's 250 clean images 200
tune and 50 judge. The rule is that of cross-validation with one standard error: among the
candidates whose loss on the judging images (under the augmentation used for tuning, 8 draws)
exceeds the lowest by at most one standard error of the paired difference over the models, the
gentlest is taken: the one with the smallest step size. The models are four backdoored networks of
the zoo (`signs`, seed 0), each with its own split. All methods tune what they tune by default, NGF
and SGD the last layer.

For NGF it also records how far a model strays on the way: the largest judging loss at any tenth of
the tuning.

What it does not settle: the presets are chosen on models of one data set and network, and under
`strong` only (what the rule would take elsewhere is judged by --models, and changes no preset); and
that the Fisher matrix be a running mean was one of five remedies compared in trials in which ASR
was displayed too, although the figure that decided was the judging loss.

Writes benchmarks/results/preset.json with every candidate's figures, or the file that --out names.

    python -m benchmarks.choose_preset --methods ngf sgd \\
        --models fashion_mnist-{badnets,blend,sig,wanet}-s0-n500-train \\
        --out benchmarks/results/preset_fashion_mnist.json
"""

import argparse
import copy
import json
import math
import os
import shlex
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.environment import environment
from benchmarks.purified import trained_models
from ngf_core.config import PurifyConfig
from ngf_core.data.augment import augment
from ngf_core.data.dataset import Images
from ngf_core.evaluate.test_set import predict
from ngf_core.evidence.entrants import CONDITIONS
from ngf_core.purify import NGF, SGD, Budget, FineTuning
from ngf_core.purify.method import purifier
from ngf_core.purify.settings import MethodSettings
from ngf_core.purify.step import Diverged
from ngf_core.trained.load import load_trained

JUDGING = 50
DRAWS = 8
OUT = Path(__file__).parent / "results" / "preset.json"
JUDGED = tuple(f"signs-{attack}-s0-train" for attack in ("badnets", "blend", "sig", "wanet"))
CANDIDATES: dict[str, tuple[MethodSettings, ...]] = {
    "ngf": (*(NGF(decay=0.9, kl_bound=bound) for bound in (0.01, 0.03, 0.1, 0.3)),
            *(NGF(decay=0.0, kl_bound=bound) for bound in (0.03, 0.3))),
    "sgd": tuple(SGD(lr=lr) for lr in (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)),
    "finetune": tuple(FineTuning(lr=lr) for lr in (0.001, 0.003, 0.01, 0.03)),
}
BUDGET = Budget(augment="strong", steps=CONDITIONS["steps"], batch_size=CONDITIONS["batch_size"])


def judge(own: MethodSettings, source: str, split: int) -> dict[str, float]:
    """Held-out clean loss (augmented) of one model after purification, the largest on the way, and
    its accuracy (plain)."""
    torch.set_num_threads(1)
    trained = load_trained(source, trained_models())
    clean = trained.dataset.clean(PurifyConfig.clean_fraction)
    order = torch.randperm(len(clean), generator=torch.Generator().manual_seed(split))
    judging, tuning = clean.take(order[:JUDGING]), clean.take(order[JUDGING:])
    model, way = copy.deepcopy(trained.models["before"]), []
    try:
        for step in purifier(own.method)(model, tuning, own, BUDGET):
            if step.step % (BUDGET.steps // 10) == 0:
                way.append(_loss(model, judging))
    except Diverged:
        return {"loss": float("inf"), "on_the_way": float("inf"), "accuracy": 0.0}
    right = predict(model, judging.x).argmax(1) == judging.y
    return {"loss": way[-1], "on_the_way": max(way), "accuracy": float(right.float().mean())}


def _loss(model: nn.Module, images: Images) -> float:
    generator = torch.Generator().manual_seed(1)
    draws = [F.nll_loss(predict(model, augment(BUDGET.augment, images.x, generator))
                        .clamp_min(1e-12).log(), images.y).item() for _ in range(DRAWS)]
    return sum(draws) / DRAWS


def compare(candidates: Sequence[MethodSettings], models: Sequence[str],
            pool: ProcessPoolExecutor) -> list[dict[str, Any]]:
    """Every candidate's figures, the mean and each model's; `within` tells by how many standard
    errors of the paired difference it exceeds the best, `chosen` which one the rule takes."""
    places = [(model, split) for split, model in enumerate(models)]
    jobs = [(own, source, split) for own in candidates for source, split in places]
    judged = list(pool.map(judge, *zip(*jobs, strict=True)))
    rows = []
    for i, own in enumerate(candidates):
        mine = judged[i * len(places):(i + 1) * len(places)]
        means = {key: statistics.mean(found[key] for found in mine) for key in mine[0]}
        rows.append({"method": own.method, "settings": asdict(own), **means,
                     "losses": [found["loss"] for found in mine]})
        print({key: value for key, value in rows[-1].items() if key != "settings"}, flush=True)
    best = min(rows, key=lambda row: row["loss"])
    for row in rows:
        row["within"] = excess(row["losses"], best["losses"])
    size = candidates[0].step_size_of
    chosen = min((row for row in rows if row["within"] <= 1),
                 key=lambda row: (row["settings"][size], row["loss"]))
    return [row | {"chosen": row is chosen} for row in rows]


def excess(losses: Sequence[float], best: Sequence[float]) -> float:
    """The mean of the paired differences in their standard errors; 0 for the best itself."""
    differences = [mine - least for mine, least in zip(losses, best, strict=True)]
    if not any(differences):
        return 0.0
    if not all(map(math.isfinite, differences)):
        return math.inf
    error = statistics.stdev(differences) / len(differences) ** 0.5
    return statistics.mean(differences) / error


def main() -> None:
    """Judge all candidates and record which were chosen."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=tuple(CANDIDATES), default=[*CANDIDATES],
                        help="methods to judge again; the figures of others are kept")
    parser.add_argument("--models", nargs="+", default=list(JUDGED), metavar="RUN",
                        help="finished trainings, of the zoo or of `ngf benchmark`; at least two")
    parser.add_argument("--out", type=Path, default=OUT, help="file to write, or to complete "
                        "(default: %(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # as the workers; environment() records it
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        rows = {method: compare(CANDIDATES[method], arguments.models, pool)
                for method in arguments.methods}
    out = arguments.out
    kept = json.loads(out.read_text())["candidates"] if out.exists() else {}
    out.parent.mkdir(exist_ok=True)
    command = shlex.join(["python", "-m", "benchmarks.choose_preset", *sys.argv[1:]])
    out.write_text(json.dumps({"command": command,
                               "models": arguments.models, "base": asdict(BUDGET), "rule": __doc__,
                               "candidates": kept | rows, "environment": environment()}, indent=1)
                   + "\n")


if __name__ == "__main__":
    main()
