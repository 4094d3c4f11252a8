"""The purification table: `signs`, 4 attacks, 3 seeds, mini network, one preset for all.

    python -m benchmarks.purification_table

For every attack and seed: train a backdoored model, race one-layer SGD, NGF and full fine-tuning
on it under both augmentations at equal batches and steps (everything else as in PurifyConfig;
benchmarks/choose_preset.py describes how that was chosen), and evaluate on the 1,000 test images.
λ_max and trace are of the Hessian of the clean loss over all parameters, on the same 100 held-out
clean images for all models, eval mode, float32. One benign model per seed gives the reference and
the floor: its ASR under each trigger. Finished runs are reused, so a stopped command resumes where
it stopped.

Writes benchmarks/results/signs_table.parquet (one row per model), .md and .json (environment).
"""

import argparse
import hashlib
import json
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from benchmarks.environment import environment
from ngf_core.config import PurifyConfig, TrainConfig
from ngf_core.curvature import HessianOperator, top_eigenvalues, trace
from ngf_core.device import device
from ngf_core.evaluate.rates import Evaluation
from ngf_core.evaluate.test_set import build_test_set, evaluate
from ngf_core.execute.zoo import make, run_name
from ngf_core.purify import NGF, SGD, FineTuning
from ngf_core.runs import RunStore, default_store
from ngf_core.trained.load import attack_of, load_trained
from ngf_core.trained.samples import held_out

RESULTS = Path(__file__).parent / "results"
TABLED = ("badnets", "blend", "sig", "wanet")  # the others are for the benchmark of all attacks
LAYER = "blocks.2.conv1"
METHODS = (SGD(layer=LAYER), NGF(layer=LAYER), FineTuning())
AUGMENTS = ("strong", "crop")
SAMPLES = 100
PROBES = 8
TITLES = {"benign": "benign", "before": "backdoored", "sgd": "SGD, one layer",
          "ngf": "NGF, one layer", "finetune": "full fine-tuning"}
METRICS = ("acc", "asr", "ra", "lambda_max", "trace")


def measure(task: tuple[str, int, Path]) -> list[dict[str, Any]]:
    """All rows of one attack and seed; attack `none` gives the benign model and the floors."""
    attack, seed, root = task
    torch.set_num_threads(1)
    store = RunStore(root / f"{attack}-s{seed}", default_store().shipped)
    store.root.mkdir(parents=True, exist_ok=True)
    train = TrainConfig(attack=attack, seed=seed)
    name = run_name(train)
    make(store, f"{name}-train", train)
    base = {"attack": attack, "seed": seed}
    if attack == "none":
        return _benign(f"{name}-train", store, base)
    rows = []
    for augment in AUGMENTS:
        config = PurifyConfig(source=f"{name}-train", methods=METHODS, augment=augment,
                              evaluations=2, seed=seed)
        race = make(store, f"{name}-race-{augment}", config)
        source = load_trained(race.id, store)
        test = build_test_set(source.dataset.test, source.attack)
        for method, model in source.models.items():
            if method == "before" and rows:
                continue
            about = {"augment": "-" if method == "before" else augment, "method": method,
                     "seconds": race.results[method].get("seconds"),
                     "stopped": race.results[method].get("stopped")}
            rows.append(base | about | _rates(evaluate(model, test))
                        | _sharpness(model, source.dataset, root))
    return rows


def _benign(run_id: str, store: RunStore, base: dict[str, Any]) -> list[dict[str, Any]]:
    source = load_trained(run_id, store)
    model = source.models["before"]
    rows = [base | {"method": "benign", "augment": "-"}
            | _rates(evaluate(model, build_test_set(source.dataset.test, None)))
            | _sharpness(model, source.dataset, store.root)]
    for attack in TABLED:
        trigger = attack_of(TrainConfig(attack=attack, seed=base["seed"]), source.dataset)
        rates = _rates(evaluate(model, build_test_set(source.dataset.test, trigger)))
        rows.append({"attack": attack, "seed": base["seed"], "method": "benign", "augment": "-"}
                    | rates)
    return rows


def _rates(evaluation: Evaluation) -> dict[str, float]:
    return {key: value for name, rate in evaluation.rates().items()
            for key, value in ((name, rate.value), (f"{name}_n", rate.n))}


def _sharpness(model: nn.Module, dataset: Any, root: Path) -> dict[str, float]:
    """λ_max with its residual and the trace with its standard error.

    Kept on disk under a hash of the weights, so that a model trained again is measured again.
    """
    weights = b"".join(t.cpu().numpy().tobytes() for t in model.state_dict().values())
    key = hashlib.sha256(weights + f"{dataset.sha256} {SAMPLES} {PROBES}".encode()).hexdigest()
    kept = root / "sharpness" / f"{key[:16]}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    x, y = held_out(dataset, None, SAMPLES, 0, device())["clean"]
    operator = HessianOperator(model, (x, y))
    generator = torch.Generator().manual_seed(0)
    top = top_eigenvalues(operator, 1, 100, 1e-3, generator, check=False)
    total = trace(operator, PROBES, generator, top.vectors)
    found = {"lambda_max": float(top.values[0]), "residual": float(top.residuals[0]),
             "trace": float(total.value), "trace_se": float(total.standard_error)}
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(found))
    return found


def markdown(table: pd.DataFrame) -> str:
    """Mean ± standard deviation over the seeds, one line per model."""
    lines = ["| attack | augmentation | model | ACC % | ASR % | RA % | λ_max | trace |",
             "|---|---|---|---|---|---|---|---|"]
    benign = table[(table.attack == "none")]
    lines.append("| none | - | benign | " + " | ".join(_cell(benign, m) for m in METRICS) + " |")
    for attack in TABLED:
        mine = table[table.attack == attack]
        floor = mine[mine.method == "benign"]
        lines.append(f"| {attack} | - | benign, with trigger | | "
                     + " | ".join(_cell(floor, m) for m in ("asr", "ra")) + " | | |")
        for augment, methods in (("-", ("before",)), *((a, METHODS) for a in AUGMENTS)):
            for method in methods:
                rows = mine[(mine.method == method) & (mine.augment == augment)]
                lines.append(f"| {attack} | {augment} | {TITLES[method]} | "
                             + " | ".join(_cell(rows, m) for m in METRICS) + " |")
    return "\n".join(lines) + "\n"


def _cell(rows: pd.DataFrame, metric: str) -> str:
    values = rows[metric].dropna()
    if values.empty:
        return ""
    scale, digits = (100, 1) if metric in ("acc", "asr", "ra") else (1, 0)
    return f"{scale * values.mean():.{digits}f} ± {scale * values.std():.{digits}f}"


def main() -> None:
    """Make what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs/table"),
                        help="folder for the runs (default: %(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # as the workers; environment() records it
    tasks = [(attack, seed, arguments.runs.absolute()) for seed in arguments.seeds
             for attack in (*TABLED, "none")]
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        table = pd.DataFrame([row for rows in pool.map(measure, tasks) for row in rows])
    RESULTS.mkdir(exist_ok=True)
    table.to_parquet(RESULTS / "signs_table.parquet", index=False)
    (RESULTS / "signs_table.md").write_text(markdown(table))
    (RESULTS / "signs_table.json").write_text(json.dumps(
        {"command": "python -m benchmarks.purification_table", "seeds": arguments.seeds,
         "samples": SAMPLES, "trace_probes": PROBES, "environment": environment()}, indent=1))
    print(markdown(table))


if __name__ == "__main__":
    main()
