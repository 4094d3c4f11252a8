"""The sharpness claim, measured: are backdoored models sharper, and does purification flatten them?

λ_max and trace of the Hessian of the mean clean cross-entropy, plain and adaptive (D H D, D = |w|),
over all parameters and over the tuned layer, on held-out clean images and on the defender's own, as
they are. All models are in eval mode and float32, on the same images and the same probes. On 100
images some 19 Hessian products and 4 passes image by image for each set: 11 s a model over all
parameters and 1.3 s over one layer (mini network, one quiet core).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from ngf_core.attacks import ATTACKS
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
from ngf_core.evidence.cells import Cell, finished, weights_of
from ngf_core.evidence.entrants import ENTRANTS
from ngf_core.models.build import tuned_layers
from ngf_core.runs import Run, RunStore
from ngf_core.runs.disk import replace_file
from ngf_core.trained.load import load_trained
from ngf_core.trained.samples import held_out

IMAGES = 100
PROBES = 3
# Of the Ritz residual; the eigenvalue is far better than that, as its error is of second order.
TOLERANCE = 0.01
MOST_STEPS = 60
PURIFIED = ("ngf", "sgd", "finetune")
LAYER_OF = "ngf"  # whose tuned layer all models of that attack and seed are measured in
COLUMNS = ("attack", "seed", "model", "images", "parameters", "measure", "value", "error",
           "computation_error", "n", "layer", "asr", "acc", "run", "weights")

Sets = Mapping[str, tuple[Tensor, Tensor]]


def measure_claim(models: Mapping[str, nn.Module], layer: str, sets: Sets, seed: int = 0
                  ) -> list[dict[str, Any]]:
    """Every measure of every model, a row each: model, images, parameters ("all" or "layer"), and
    what `measure_sharpness_of` gives.

    layer: the tuned one, or several, as `tuned_layers` reads them. sets: name -> images x
    (n, C, H, W), float in [0, 1], and labels y (n,). seed: of Lanczos's start and of the probes,
    the same for all models.
    Raises ConfigError where a model has no such layer.
    """
    return [{"model": name, "parameters": "layer" if where else "all", **row}
            for name, model in models.items() for where in ("", layer)
            for row in measure_sharpness_of(model, where, sets, seed)]


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


# ---- over the benchmark's runs: one JSON a model and layer, so that it goes on where it stopped

Task = tuple[str, str, str, Path]


def claim_tasks(wanted: Sequence[Cell], store: RunStore) -> list[Task]:
    """The arguments of each call of `measured` that is still to be made."""
    tasks = dict.fromkeys((run.id, model, layer, store.root)
                          for _, _, run, model, tuned in _models(wanted, store)
                          for layer in _where(tuned).values())
    return [task for task in tasks if not _kept(store, *task[:3]).exists()]


def measured(run_id: str, model: str, layer: str, root: Path) -> None:
    """`measure_sharpness_of` one model of a run, kept below root under a hash of its weights."""
    torch.set_num_threads(1)
    store = RunStore(root)
    kept = _kept(store, run_id, model, layer)
    if kept.exists():
        return
    source = load_trained(run_id, store)
    fraction = ENTRANTS["ngf"].config(run_id, 0).clean_fraction
    rows = measure_sharpness_of(source.models[model], layer, image_sets(source.dataset, fraction))
    kept.parent.mkdir(parents=True, exist_ok=True)
    replace_file(kept, json.dumps(rows).encode())


def claim_table(wanted: Sequence[Cell], floors: Mapping[tuple[str, int], dict[str, Any]],
                store: RunStore) -> pd.DataFrame:
    """What has been measured of the cells in `wanted`, a row a measure, in `COLUMNS`.

    floors: the benign model's rates under an attack's trigger, by attack and seed.
    """
    rows = []
    for cell, name, run, model, tuned in _models(wanted, store):
        if name == "benign":
            rates = floors.get((cell.attack, cell.seed)) or {}
        else:
            rates = run.results["train" if name == "backdoored" else model]
        about = {"attack": cell.attack, "seed": cell.seed, "model": name, "layer": tuned,
                 "run": run.id, "asr": _share(rates.get("asr")), "acc": _share(rates.get("acc")),
                 "weights": weights_of(run, _file(run, model))}
        for parameters, layer in _where(tuned).items():
            kept = _kept(store, run.id, model, layer)
            if kept.exists():
                rows += [about | {"parameters": parameters} | row
                         for row in json.loads(kept.read_text())]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _models(wanted: Sequence[Cell], store: RunStore) -> list[tuple[Cell, str, Run, str, str]]:
    """(attack's cell, name in the claim, run, model in it, tuned layer) of all there is.

    The layer is the one NGF tuned on that attack's model, for all models it is compared with; ""
    where NGF has not purified that model yet.
    """
    made = {(cell.attack, cell.seed, cell.entrant): run for cell in wanted
            if cell.entrant in ("", *PURIFIED) and (run := finished(cell, store))}
    found = []
    for cell in wanted:
        tuned = made.get((cell.attack, cell.seed, LAYER_OF))
        if cell.entrant or cell.attack not in ATTACKS:
            continue
        layer = tuned.results["layer"] if tuned is not None else ""
        for name, run, model in (("benign", made.get(("none", cell.seed, "")), "before"),
                                 ("backdoored", made.get((cell.attack, cell.seed, "")), "before"),
                                 *((entrant, made.get((cell.attack, cell.seed, entrant)), entrant)
                                   for entrant in PURIFIED)):
            if run is not None:
                found.append((cell, name, run, model, layer))
    return found


def _where(tuned: str) -> dict[str, str]:
    """Name in the table -> layer as `measure_sharpness_of` takes it; "all" alone where it is "".
    """
    return {"all": ""} | ({"layer": tuned} if tuned else {})


def _kept(store: RunStore, run_id: str, model: str, layer: str) -> Path:
    run = store.get(run_id)
    digest = run.manifest["files"][f"{_file(run, model)}.safetensors"]
    said = [digest, layer, IMAGES, PROBES, TOLERANCE]
    return store.root / "claim" / f"{hashlib.sha256(repr(said).encode()).hexdigest()[:16]}.json"


def _file(run: Run, model: str) -> str:
    return "model" if run.kind == "train" else f"after_{model}"


def _share(rate: Mapping[str, int] | None) -> float:
    return rate["hits"] / rate["n"] if rate and rate["n"] else float("nan")
