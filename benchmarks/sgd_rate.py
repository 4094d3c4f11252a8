"""What one-layer SGD leaves at its former rate and at the one that clean images choose.

    python -m benchmarks.sgd_rate      # some eight minutes of one core

Every attack of the zoo (`signs`, width 16, training seed 0), the last layer, the benchmark's
conditions, purification seed 0. 0.01 is the rate for a layer inside a network, which
`ngf benchmark` gave to the last layer too; 1.0 is what `benchmarks.choose_preset` finds there by
the loss on held-out clean images. The zoo's weights are in half precision, so that single rates may
differ from those of the benchmark's own models.

Nothing is chosen by these figures. Writes benchmarks/results/sgd_rate.json and .md.
"""

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.environment import environment
from ngf_core.attacks import ATTACKS
from ngf_core.config import PurifyConfig
from ngf_core.evaluate.test_set import build_test_set, evaluate
from ngf_core.evidence.entrants import CONDITIONS
from ngf_core.evidence.rank import Estimate, difference, estimate
from ngf_core.purify import SGD, Budget
from ngf_core.purify.method import purifier
from ngf_core.runs import RunStore, default_store
from ngf_core.trained.load import load_trained

RATES = (0.01, 1.0)
OUT = Path(__file__).parent / "results" / "sgd_rate.json"


def ends(attack: str, runs: Path) -> list[dict[str, Any]]:
    """ACC and ASR of one attack's model after SGD at each rate."""
    source = load_trained(f"signs-{attack}-s0-train", RunStore(runs))
    clean = source.dataset.clean(PurifyConfig.clean_fraction)
    test = build_test_set(source.dataset.test, source.attack)
    budget = Budget(seed=0, augment="strong", steps=CONDITIONS["steps"],
                    batch_size=CONDITIONS["batch_size"])
    rows = []
    for rate in RATES:
        model = copy.deepcopy(source.models["before"])
        for _ in purifier("sgd")(model, clean, SGD(lr=rate), budget):
            pass
        rates = evaluate(model, test).rates()
        rows.append({"attack": attack, "seed": 0, "lr": rate,
                     **{name: rates[name].value for name in ("acc", "asr")}})
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """One line per attack, then the means over attacks and their paired difference."""
    asr = pd.DataFrame(rows).pivot(index=["attack", "seed"], columns="lr", values="asr")
    small, large = RATES
    lines = [f"| attack | ASR % at a rate of {small} | at {large} |", "|---|---|---|"]
    lines += [f"| {entry.title} | {100 * asr.loc[(attack, 0), small]:.1f} | "
              f"{100 * asr.loc[(attack, 0), large]:.1f} |"
              for attack, entry in ATTACKS.items() if (attack, 0) in asr.index]
    means = " | ".join(_text(estimate(asr[rate], (0, 1))) for rate in RATES)
    gap = _text(difference(asr, small, large), " points")
    return "\n".join([*lines, f"| mean (n = {len(asr)}) | {means} |", "",
                      f"At {small} SGD leaves {gap} more than at {large}."]) + "\n"


def _text(of: Estimate, unit: str = "") -> str:
    return f"{100 * of.mean:.1f}{unit} [{100 * of.low:.1f}, {100 * of.high:.1f}]"


def main() -> None:
    """Purify every model, and write what came out."""
    torch.set_num_threads(1)
    rows = [row for attack in ATTACKS for row in ends(attack, default_store().shipped)]
    OUT.write_text(json.dumps({"command": "python -m benchmarks.sgd_rate", "rows": rows,
                               "environment": environment()}, indent=1) + "\n")
    OUT.with_suffix(".md").write_text(table(rows))
    print(table(rows))


if __name__ == "__main__":
    main()
