"""Made-up tables of one size of network, with ratios and rates that are known; nothing is measured.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ngf_core.evidence.sizes import COMPARED
from ngf_core.evidence.verdict import MEASURES
from tests.support import fabricated_claim

FACTORS = {"benign": 1.0, "backdoored": 2.0, "ngf": 1.0, "sgd": 2.0, "finetune": 4.0}
ASR = {"before": 0.97, "ngf": 0.05, "sgd": 0.85, "finetune": 0.5}
N = 1000


def write(folder: Path, arch: str, dataset: str = "signs", *, seeds: Sequence[int] = (0, 1, 2),
          attacks: Sequence[str] = COMPARED, factors: Mapping[str, float] = FACTORS,
          asr: Mapping[str, float] = ASR, swing: float = 0.0, spread: float = 0.0,
          train: Mapping[str, int] | None = None) -> Path:
    """protocol.json, cells.parquet and claim.parquet in `folder`, which is returned.

    spread: of the logarithm of each sharpness. swing: ASR is so much higher with the first attack
    and so much lower with the last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    claim = fabricated_claim.claim(attacks, MEASURES, spread, factors=factors)
    claim[claim["seed"].isin(seeds)].to_parquet(folder / "claim.parquet")
    _cells(attacks, seeds, asr, swing).to_parquet(folder / "cells.parquet")
    told = {"dataset": dataset, "arch": arch, "seeds": list(seeds)}
    told |= {"train": dict(train)} if train else {}
    (folder / "protocol.json").write_text(json.dumps(told))
    return folder


def _cells(attacks: Sequence[str], seeds: Sequence[int], asr: Mapping[str, float], swing: float
           ) -> pd.DataFrame:
    rows = []
    for place, attack in enumerate(attacks):
        for seed in seeds:
            for entrant, rate in asr.items():
                at = 1 - 2 * place / max(len(attacks) - 1, 1)
                hits = round(N * min(1.0, max(0.0, rate + swing * at)))
                rows.append({"attack": attack, "seed": seed, "entrant": entrant, "acc_n": N,
                             "acc_hits": 980, "asr_n": N, "asr_hits": hits})
    return pd.DataFrame(rows).astype({"acc_hits": "Int64", "asr_hits": "Int64"})
