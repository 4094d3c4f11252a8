"""How the purification preset was chosen: on clean images only, one rule for every method.

    python -m benchmarks.choose_preset

No trigger, no test image and no target label is read here. Of the defender's 250 clean images 200
tune and 50 judge. A candidate is *bearable* if the accuracy on the judging images, over the four
backdoored mini networks of the zoo (`signs`, seed 0), falls by at most one point on average. Of the
bearable candidates of a method the one that travels farthest is taken, |w - w_received| /
|w_received| over the weights it tunes: a backdoor is left behind by leaving, and clean data can say
only what leaving costs. SGD gets the layer that NGF got, and its own learning rate by that rule.

Writes benchmarks/results/preset.json with every candidate's figures.
"""

import argparse
import copy
import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from benchmarks.environment import environment
from ngf_core.attacks import ATTACKS
from ngf_core.config import PurifyConfig
from ngf_core.evaluation import predict
from ngf_core.execute.sources import load_source
from ngf_core.purify.purifier import Diverged, flat, purifier
from ngf_core.runs import RunStore, default_store

JUDGING = 50
BEARABLE = 0.01
OUT = Path(__file__).parent / "results" / "preset.json"
LAYERS = ("blocks.1.conv1", "blocks.2.conv1", "linear")
KL_BOUNDS = (0.3, 1.0)
RATES = {"sgd": (0.01, 0.03), "finetune": (0.001, 0.003)}


def judge(method: str, config: PurifyConfig, runs: Path) -> dict[str, float | None]:
    """Held-out clean accuracy before and after, and the distance travelled, for one model."""
    torch.set_num_threads(1)
    source = load_source(config.source, RunStore(runs))
    clean = source.dataset.clean(config.clean_fraction)
    tuning, judging = clean.take(slice(JUDGING, None)), clean.take(slice(0, JUDGING))
    received = source.models["before"]
    model = copy.deepcopy(received)
    before = _accuracy(received, judging)
    try:
        for _ in purifier(method)(model, tuning, config):
            pass
    except Diverged:
        return {"before": before, "after": None, "travel": None}
    tuned = [name for name, p in model.named_parameters() if p.requires_grad]
    old, new = (flat([dict(m.named_parameters())[n] for n in tuned]) for m in (received, model))
    return {"before": before, "after": _accuracy(model, judging),
            "travel": float((new - old).norm() / old.norm())}


def _accuracy(model: torch.nn.Module, images: Any) -> float:
    return float((predict(model, images.x).argmax(1) == images.y).float().mean())


def compare(method: str, candidates: list[PurifyConfig], runs: Path, pool: ProcessPoolExecutor
            ) -> list[dict[str, Any]]:
    """Every candidate's mean loss of accuracy and mean travel over the four models."""
    jobs = [(replace(c, source=f"signs-{attack}-s0-train"), i)
            for i, c in enumerate(candidates) for attack in ATTACKS]
    judged = list(pool.map(judge, [method] * len(jobs), [c for c, _ in jobs], [runs] * len(jobs)))
    rows = []
    for i, candidate in enumerate(candidates):
        mine = [j for j, (_, k) in zip(judged, jobs, strict=True) if k == i]
        whole = all(j["after"] is not None for j in mine)
        rows.append({
            "method": method, "layer": candidate.layer, "kl_bound": candidate.kl_bound,
            "lr": candidate.lr, "finetune_lr": candidate.finetune_lr,
            "loss": sum(j["before"] - j["after"] for j in mine) / len(mine) if whole else None,
            "travel": sum(j["travel"] for j in mine) / len(mine) if whole else None})
        print(rows[-1], flush=True)
    return rows


def choose(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The bearable candidate that travels farthest; the cheapest one where none is bearable."""
    whole = [row for row in rows if row["loss"] is not None]
    bearable = [row for row in whole if row["loss"] <= BEARABLE + 1e-9]
    if bearable:
        return max(bearable, key=lambda row: row["travel"])
    return min(whole, key=lambda row: row["loss"])


def main() -> None:
    """Judge all candidates and write down which were chosen."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=default_store().shipped,
                        help="folder with the trained zoo (default: assets/zoo)")
    parser.add_argument("--layers", nargs="+", default=LAYERS)
    arguments = parser.parse_args()
    base = PurifyConfig(source="-")
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        ngf = compare("ngf", [replace(base, layer=layer, kl_bound=bound)
                              for layer in arguments.layers for bound in KL_BOUNDS],
                      arguments.runs, pool)
        chosen = {"ngf": choose(ngf)}
        layer = chosen["ngf"]["layer"]
        rows = list(ngf)
        for method, field in (("sgd", "lr"), ("finetune", "finetune_lr")):
            tried = compare(method, [replace(base, layer=layer, **{field: lr})
                                     for lr in RATES[method]], arguments.runs, pool)
            rows += tried
            chosen[method] = choose(tried)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"command": "python -m benchmarks.choose_preset",
                               "base": asdict(base), "rule": __doc__, "candidates": rows,
                               "chosen": chosen, "environment": environment()}, indent=1) + "\n")
    print(json.dumps(chosen, indent=1))


if __name__ == "__main__":
    main()
