"""λ_max and trace of a benchmark model: measured once, in one setting, for all pages.

Of the Hessian of the mean clean cross-entropy, plain and adaptive (D H D, D = |w|), in eval mode
and float32, on `IMAGES` held-out clean images and on as many of the defender's own, as they are:
the same images and the same probes for all models. About 19 Hessian products and 4 image-by-image
passes per set: 11 s per model over all parameters and 1.3 s over one layer (mini network, one quiet
core).
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ngf_core.curvature import trace
from ngf_core.curvature.operators.parameters import layer_parameters
from ngf_core.curvature.operators.scaled import ScaledOperator
from ngf_core.curvature.sharpness import Subject
from ngf_core.curvature.sharpness.reading import standard_error
from ngf_core.curvature.spectral.eigenvalues import settled
from ngf_core.curvature.spectral.lanczos import lanczos, ritz
from ngf_core.data.dataset import Dataset
from ngf_core.data.floats import as_floats
from ngf_core.device import device
from ngf_core.evidence.entrants import ENTRANTS
from ngf_core.models.build import tuned_layers
from ngf_core.runs import RunStore
from ngf_core.runs.disk import replace_file
from ngf_core.runs.lineage import weights_sha
from ngf_core.trained.load import load_trained
from ngf_core.trained.samples import held_out

IMAGES = 100
PROBES = 3
# Of the Ritz residual; the eigenvalue is far more accurate, as its error is of second order.
TOLERANCE = 0.01
MOST_STEPS = 60

Sets = Mapping[str, tuple[Tensor, Tensor]]


def measure_sharpness_of(model: nn.Module, layer: str, sets: Sets, seed: int = 0
                         ) -> list[dict[str, Any]]:
    """The four measures of one model on each set, over `layer` ("": over all parameters).

    A row holds images, measure, value, error, computation_error and n. error: the standard error
    over images (infinitesimal jackknife, see `ngf_core.curvature.sharpness.reading`; for traces
    each image's share comes from one probe, whose noise is in the error too: an upper estimate).
    computation_error: how far the value may be off on these very images, λ_max's Ritz residual or
    the trace's standard error over `PROBES` probes, deflated by the Krylov space.
    """
    names = [parameter for name in tuned_layers(model, layer)
             for parameter in layer_parameters(model, name)] if layer else None
    rows = []
    for images, (x, y) in sets.items():
        subject = Subject(model, (x, y), parameters=names, seed=seed)
        for kind, scale in (("", torch.ones_like(subject.weights)),
                            ("adaptive_", subject.weights.abs())):
            read = _top_and_trace(subject, scale)
            rows += [{"images": images, "measure": kind + measure, "n": len(y), **found}
                     for measure, found in read.items()]
    return rows


def _top_and_trace(subject: Subject, scale: Tensor) -> dict[str, dict[str, float]]:
    """lambda_max and trace of D H D, D = diag(scale), from one Krylov space."""
    operator, generator = ScaledOperator(subject, scale), subject.generator()
    krylov = lanczos(operator.matvec, operator.size, MOST_STEPS, generator=generator,
                     dtype=operator.dtype, device=operator.device, stop=settled(1, TOLERANCE))
    pairs = ritz(krylov)
    v = pairs.vectors(1)[0]
    total = trace(operator, PROBES, generator, deflate=krylov)
    along = subject.curvatures(scale * v)
    signs = torch.randint(0, 2, (subject.size,), generator=generator).to(v) * 2 - 1
    shares = along + subject.curvatures(scale * (signs - (signs @ v) * v))
    return {"lambda_max": {"value": float(pairs.values[0]), "error": standard_error(along),
                           "computation_error": float(pairs.residuals[0])},
            "trace": {"value": total.value, "error": standard_error(shares),
                      "computation_error": total.standard_error}}


def image_sets(dataset: Dataset, clean_fraction: float) -> dict[str, tuple[Tensor, Tensor]]:
    """IMAGES of the test images and IMAGES of the defender's clean set, the same for every model.

    x is float in [0, 1], without augmentation; fewer where the clean set is smaller.
    """
    clean = dataset.clean(clean_fraction)
    drawn = torch.randperm(len(clean), generator=torch.Generator().manual_seed(0))[:IMAGES]
    mine, where = clean.take(drawn), device()
    return {"held_out": held_out(dataset, None, IMAGES, 0, where)["clean"],
            "defender": (as_floats(mine.x.to(where)), mine.y.to(where))}


def setting() -> dict[str, Any]:
    """The conditions that all figures in a table of the benchmark share."""
    return {"images": IMAGES, "probes": PROBES, "tolerance": TOLERANCE}


# ---- over the benchmark's runs: one JSON per model and layer, so that it resumes where it stopped


def measured(run_id: str, model: str, layer: str, root: Path) -> None:
    """`measure_sharpness_of` one model of a run, kept below root under a hash of its weights."""
    store = RunStore(root)
    kept = kept_file(store, run_id, model, layer)
    if kept.exists():
        return
    source = load_trained(run_id, store)
    fraction = ENTRANTS["ngf"].config(run_id, 0).clean_fraction
    rows = measure_sharpness_of(source.models[model], layer, image_sets(source.dataset, fraction))
    kept.parent.mkdir(parents=True, exist_ok=True)
    replace_file(kept, json.dumps(rows).encode())


def kept_rows(store: RunStore, run_id: str, model: str, layer: str = "") -> list[dict[str, Any]]:
    """The rows that `measured` has kept for that model; none before it was measured."""
    kept = kept_file(store, run_id, model, layer)
    return json.loads(kept.read_text()) if kept.exists() else []


def kept_file(store: RunStore, run_id: str, model: str, layer: str = "") -> Path:
    """The file with the figures of that model; a model computed again has another file."""
    key = [weights_sha(store.get(run_id), model), layer, IMAGES, PROBES, TOLERANCE]
    return store.root / "claim" / f"{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}.json"
