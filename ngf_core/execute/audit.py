"""An audit run: one pair of models, measured with every control."""

from typing import Any

from torch import nn

from ngf_core.audit.measure import FACTOR, Setting, measure_pair
from ngf_core.config import AuditConfig, ImportConfig
from ngf_core.config.audit import FORMAT
from ngf_core.curvature.operators.parameters import layer_parameters
from ngf_core.data.floats import as_floats
from ngf_core.errors import ConfigError
from ngf_core.execute.spectrum import GIGABYTE
from ngf_core.models.build import tuned_layers
from ngf_core.purify.precision import check_finite
from ngf_core.runs import RunStore, RunWriter
from ngf_core.runs.events import finite
from ngf_core.runs.files import RECEIVED, model_entry
from ngf_core.runs.lineage import weights_sha
from ngf_core.trained.load import TrainedModels, load_trained
from ngf_core.trained.samples import held_out_sets

STAGES = 10


def execute(config: AuditConfig, store: RunStore, writer: RunWriter) -> dict[str, Any]:
    """Measure the pair; what it was measured on is among the results, so that they stand alone.

    Raises ConfigError where the second run has no such model, or the two are of different data or
    networks; NGFError for weights that are not finite.
    """
    source = load_trained(config.source, store)
    against = load_trained(config.against, store) if config.against else source
    before, after = source.models[RECEIVED], _model(against, config)
    _check_alike(source, against, before, after)
    for model in (before, after):
        check_finite(model)
    where = next(before.parameters()).device
    writer.note(device=str(where), data_sha=source.dataset.sha256)
    layer = against.layer
    names = None if config.parameters == "all" else [
        name for of in tuned_layers(before, layer) for name in layer_parameters(before, of)]
    images, *others = [(as_floats(x.to(where)), y.to(where)) for x, y in held_out_sets(
        source.dataset, config.samples, 1 + config.further, config.seed)]
    stages = _Stages(writer, STAGES + len(others))
    found = measure_pair(before, after, images, others, Setting(
        names, config.seed, config.memory * GIGABYTE, writer.checkpoint, stages))
    train, runs = source.train, {"before": config.source, "after": config.against or config.source}
    models = {"before": RECEIVED, "after": config.model}
    return finite(found) | {
        "format": FORMAT,
        "unit": {"dataset": train.dataset, "attack": train.attack, "seed": train.seed,
                 "imported": isinstance(train, ImportConfig)},
        "models": {role: {"run": run, "model": models[role],
                          "weights": weights_sha(store.get(run), models[role]),
                          "rates": _rates(store, run, models[role])}
                   for role, run in runs.items()},
        "conditions": {
            "samples": len(images[1]), "sets": 1 + len(others), "images": "held-out clean",
            "loss": "mean cross-entropy", "matrix": "Hessian", "parameters": config.parameters,
            "layer": layer, "network": train.arch, "seed": config.seed,
            "count": sum(p.numel() for n, p in before.named_parameters()
                                         if names is None or n in names),
            "batch_norm": "fixed (evaluation)", "dtype": "float32", "factor": FACTOR}}


class _Stages:
    """Progress of the audit: one of `total` stages after the other."""

    def __init__(self, writer: RunWriter, total: int) -> None:
        self._writer, self._total, self._done = writer, total, 0

    def __call__(self, stage: str) -> None:
        self._writer.progress(self._done, self._total, f"Measuring {stage}")
        self._done += 1


def _model(against: TrainedModels, config: AuditConfig) -> nn.Module:
    if config.model not in against.models:
        raise ConfigError("model", f"run {config.against or config.source} has no model "
                          f"{config.model}", f"Choose from {', '.join(against.models)}.")
    return against.models[config.model]


def _check_alike(one: TrainedModels, other: TrainedModels, before: nn.Module, after: nn.Module
                 ) -> None:
    if one.dataset.sha256 != other.dataset.sha256:
        raise ConfigError("against", f"its model answers {other.train.dataset} and the first "
                          f"{one.train.dataset}, or other images of it",
                          "Name two models of the same images.")
    shapes = [{name: tuple(p.shape) for name, p in model.named_parameters()}
              for model in (before, after)]
    if shapes[0] != shapes[1]:
        raise ConfigError("against", "the two models are of different networks", "Name two models "
                          "whose parameters have the same names and shapes.")


def _rates(store: RunStore, run_id: str, model: str) -> dict[str, Any]:
    run = store.get(run_id)
    entry = run.results.get(model_entry(run.kind, model), {})
    return {name: entry.get(name) for name in ("acc", "asr", "ra")}
