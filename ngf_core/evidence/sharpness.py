"""λ_max and trace of every model of the benchmark, on the same held-out clean images.

Of the Hessian of the mean clean cross-entropy over all parameters, in eval mode and float32: the
largest eigenvalue by Lanczos with its Ritz residual, the trace by Hutchinson's estimator deflated
by the leading eigenvectors, with its standard error over the probes.
"""

import hashlib
import json
from pathlib import Path

import torch
from torch import nn

from ngf_core.curvature import HessianOperator, top_eigenvalues, trace
from ngf_core.device import device
from ngf_core.runs import RunStore
from ngf_core.runs.disk import replace_file
from ngf_core.trained.load import load_trained
from ngf_core.trained.samples import held_out

SAMPLES = 50
PROBES = 8


def sharpness(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """lambda_max, lambda_max_error (residual), trace, trace_error on images x with labels y."""
    operator = HessianOperator(model, (x, y))
    generator = torch.Generator().manual_seed(0)
    top = top_eigenvalues(operator, 1, 100, 1e-3, generator, check=False)
    total = trace(operator, PROBES, generator, top.vectors)
    return {"lambda_max": float(top.values[0]), "lambda_max_error": float(top.residuals[0]),
            "trace": float(total.value), "trace_error": float(total.standard_error)}


def measured(run_id: str, model: str, root: Path) -> dict[str, float]:
    """`sharpness` of one model of a run, kept in root/sharpness under a hash of its weights."""
    torch.set_num_threads(1)
    store = RunStore(root)
    kept = kept_file(store, run_id, model)
    if kept.exists():
        return json.loads(kept.read_text())
    source = load_trained(run_id, store)
    found = sharpness(source.models[model], *held_out(source.dataset, None, SAMPLES, 0,
                                                      device())["clean"])
    kept.parent.mkdir(parents=True, exist_ok=True)
    replace_file(kept, json.dumps(found).encode())
    return found


def kept_file(store: RunStore, run_id: str, model: str) -> Path:
    """Where the figures of that model are kept; a model made anew has another file."""
    run = store.get(run_id)
    name = "model" if run.kind == "train" else ("before" if model == "before" else f"after_{model}")
    digest = run.manifest["files"][f"{name}.safetensors"]
    key = hashlib.sha256(f"{digest} {SAMPLES} {PROBES}".encode()).hexdigest()[:16]
    return store.root / "sharpness" / f"{key}.json"
