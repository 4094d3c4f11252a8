"""What one-layer SGD leaves at its former rate and at the one that clean images choose.

    python -m benchmarks.sgd_rate      # some eight minutes of one core

Every attack of the zoo (`signs`, width 16, training seed 0), the last layer, the benchmark's
conditions, purification seed 0. 0.01 is the rate for a layer inside a network, which
`ngf benchmark` gave to the last layer too; 1.0 is what `benchmarks.choose_preset` finds there by
the loss on held-out clean images. The zoo's weights are in half precision, so that single rates may
differ from those of the benchmark's own models.

Nothing is chosen by these figures. Writes benchmarks/results/sgd_rate.json and .md.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.environment import environment
from benchmarks.purified import Purification, rates_after
from ngf_core.attacks import ATTACKS
from ngf_core.evidence.rank import difference, estimate
from ngf_core.purify import SGD

RATES = (0.01, 1.0)
OUT = Path(__file__).parent / "results" / "sgd_rate.json"


def ends(attack: str) -> list[dict[str, Any]]:
    """ACC and ASR of one attack's model after SGD at each rate."""
    after = rates_after(f"signs-{attack}-s0-train", [Purification(SGD(lr=lr)) for lr in RATES])
    return [{"attack": attack, "seed": 0, "lr": lr, "acc": rates["acc"], "asr": rates["asr"]}
            for lr, rates in zip(RATES, after, strict=True)]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """One line per attack, then the means over attacks and their paired difference."""
    asr = pd.DataFrame(rows).pivot(index=["attack", "seed"], columns="lr", values="asr")
    small, large = RATES
    lines = [f"| attack | ASR % at a rate of {small} | at {large} |", "|---|---|---|"]
    lines += [f"| {entry.title} | {100 * asr.loc[(attack, 0), small]:.1f} | "
              f"{100 * asr.loc[(attack, 0), large]:.1f} |"
              for attack, entry in ATTACKS.items() if (attack, 0) in asr.index]
    means = " | ".join(estimate(asr[rate], (0, 1)).in_percent() for rate in RATES)
    gap = difference(asr, small, large).in_percent(" points")
    return "\n".join([*lines, f"| mean (n = {len(asr)}) | {means} |", "",
                      f"At {small} SGD leaves {gap} more than at {large}."]) + "\n"


def main() -> None:
    """Purify every model, and write what came out."""
    rows = [row for attack in ATTACKS for row in ends(attack)]
    OUT.write_text(json.dumps({"command": "python -m benchmarks.sgd_rate", "rows": rows,
                               "environment": environment()}, indent=1) + "\n")
    OUT.with_suffix(".md").write_text(table(rows))
    print(table(rows))


if __name__ == "__main__":
    main()
