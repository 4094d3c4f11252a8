"""An audit's results with made-up numbers: every measure moves by a given factor."""

import math
from hashlib import sha256
from typing import Any

from ngf_core.audit.measure import FACTOR, FEW
from ngf_core.config.audit import FORMAT
from ngf_core.curvature.sharpness import SHARPNESS
from ngf_core.evidence.audit_verdict import AS_THEY_ARE, INVARIANT, MATCHED, MOVED_BY_RESCALING

MEASURES = (*MOVED_BY_RESCALING, *INVARIANT)


def audited_pair(seed: int = 0, attack: str = "badnets", *, plain: float = 1.0,
                 invariant: float = 1.0, matched_plain: float | None = None,
                 matched_invariant: float | None = None, difference: float = 0.5,
                 residual: float = 1e-6, off_by: float | None = 1e-5) -> dict[str, Any]:
    """plain, invariant: after / before of the measures that rescaling moves, and of the others; at
    matched logits the same where nothing else is given. Each seed is 5 % off in its own way."""
    off = 1 + 0.05 * (seed - 1)
    matched_plain = plain if matched_plain is None else matched_plain
    matched_invariant = invariant if matched_invariant is None else matched_invariant
    rows = {}
    for name in MEASURES:
        ratio, matched = ((plain, matched_plain) if name in MOVED_BY_RESCALING
                          else (invariant, matched_invariant))
        rows[name] = {
            "title": SHARPNESS[name].title, "definition": "", "moved_by": "",
            "before": _value(10.0), "after": _value(10 * ratio * off),
            "matched": _value(10 * matched * off),
            AS_THEY_ARE: {"value": math.log(ratio * off), "error": 0.1},
            MATCHED: {"value": math.log(matched * off), "error": 0.1}}
    found = {"lambda_max": 10.0, "residual": residual, "products": 20, "slopes": 10.0,
             "slopes_off_by": off_by,
             "pyhessian": {"value": 10.0, "residual": 0.1, "agrees": True}}
    return {
        "format": FORMAT,
        "unit": {"dataset": "signs", "attack": attack, "seed": seed, "imported": False},
        "models": {role: {"run": f"run-{seed}", "model": model, "rates": {},
                          "weights": sha256(f"{attack} {seed}".encode()).hexdigest()}
                   for role, model in (("before", "before"), ("after", "ngf"))},
        "conditions": {"samples": 100, "sets": 3, "images": "held-out clean",
                       "loss": "mean cross-entropy", "matrix": "Hessian", "parameters": "all",
                       "layer": "linear", "network": "cnn", "seed": 0, "count": 1234,
                       "batch_norm": "fixed (evaluation)",
                       "dtype": "float32", "factor": FACTOR},
        "logits": {"before": 11.0, "after": 10.0, "scale": 1.1},
        "same_function": {"scale": 1.0, "difference": difference},
        "plane": {"span": 1.0, "side": [-1.0, 0.0, 1.0], **{
            role: [[sharp, sharp, sharp], [sharp, 0.1, sharp], [sharp, sharp, sharp]]
            for role, sharp in (("before", 1.0), ("after", 1.0 * plain))}},
        "measures": rows,
        "other_images": [{name: math.log(off * (matched_plain if name in MOVED_BY_RESCALING
                                             else matched_invariant)) for name in FEW}] * 2,
        "rescaled": dict.fromkeys(("before", "after"), {
            "layer": "conv1", "factor": FACTOR, "difference": 1e-7,
            "ratios": {"lambda_max": 20.0, "trace": 12.0, "adaptive_lambda_max": 1.0}}),
        "evidence": {"before": found, "after": found}}


def _value(value: float) -> dict[str, Any]:
    return {"value": value, "error": None, "error_is": "", "sampling_error": 0.1 * value}
