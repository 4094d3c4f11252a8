"""A layer map run: each layer of a trained model tuned alone, and the choices of the rules."""

import copy
import time
from dataclasses import asdict
from typing import Any

from torch import Tensor, nn

from ngf_core.config import LayersConfig, to_json
from ngf_core.config.methods import ngf_of
from ngf_core.data.dataset import Images
from ngf_core.evaluate.rates import Evaluation
from ngf_core.evaluate.test_set import TestSet, evaluate, rates_of
from ngf_core.layers.choose import choose_layer
from ngf_core.layers.oracle import oracle
from ngf_core.layers.rules import RULES, best, judge
from ngf_core.layers.statistics import LayerStatistics
from ngf_core.layers.sweep import split, sweep
from ngf_core.layers.tune import Tuned
from ngf_core.models.build import tunable_layers
from ngf_core.purify.method import purifier
from ngf_core.purify.precision import check_finite
from ngf_core.purify.settings import FineTuning
from ngf_core.purify.step import Diverged, Step
from ngf_core.runs import RunStore, RunWriter
from ngf_core.trained.load import load_trained


def execute(config: LayersConfig, store: RunStore, writer: RunWriter) -> dict[str, Any]:
    """Tune every layer with every method; writes curves and results, and no weights.

    A point of a curve is a layer: step is its number from the input, from 1. A fifth of the clean
    set is held out, for the rules to judge by. These use clean images alone; the oracle uses the
    triggered test set, which is what makes it one. The rules use the map's own tunings, except the
    one behind "auto", which `choose_layer` applies at its own small budget. Each finished layer is
    kept as the part "layer_<name>", so that a run that stopped computes only the others.
    """
    source = load_trained(config.source, store)
    model = source.models["before"]
    check_finite(model)
    clean = source.dataset.clean(config.clean_fraction, config.clean_balance)
    writer.note(device=str(next(model.parameters()).device), data_sha=source.dataset.sha256)
    test = source.test
    before = evaluate(model, test).to_json()
    total = len(config.methods) * len(tunable_layers(model))
    entries: list[dict[str, Any]] = []
    measured: list[LayerStatistics] = []
    kept = {layer: part for layer in tunable_layers(model)
            if (part := writer.part(f"layer_{layer}")) is not None}
    for part in kept.values():
        entries += part["entries"]
        measured.append(LayerStatistics.of(part["statistics"]))
    wall, cpu = (clock() - max((part[name] for part in kept.values()), default=0.0)
                 for name, clock in (("seconds", time.perf_counter),
                                     ("cpu_seconds", time.process_time)))
    for one in sweep(copy.deepcopy(model), clean, config.budget, config.methods,
                     _images(test), writer.checkpoint, without=kept):
        layer = one.statistics.layer
        measured.append(one.statistics)
        for tuned in one.tuned:
            entries.append(_entry(tuned, test))
            _point(writer, entries[-1])
        writer.keep_part(f"layer_{layer}", {
            "statistics": asdict(one.statistics),
            "entries": [entry for entry in entries if entry["layer"] == layer],
            "seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu})
        writer.progress(len(entries), total, f"layer {layer}")
    entries.sort(key=lambda entry: entry["index"])
    measured.sort(key=lambda layer: layer.index)
    seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    began = time.process_time()
    choice = choose_layer(model, clean, config.budget, ngf_of(config.methods))
    auto_seconds = time.process_time() - began
    scores = {name: judge(measured, name) for name in RULES} | {choice.rule: choice.scores}
    chosen = {name: best(of) for name, of in scores.items()}
    return {"before": before, "map": entries, "scores": scores, "chosen": chosen,
            "looks": [one.plain() for one in measured], "rule": choice.rule,
            "auto": choice.layer, "auto_passes": choice.passes,
            "auto_cpu_seconds": round(auto_seconds, 3), "oracle": oracle(entries, before),
            "finetune": _finetune(model, clean, config, test, writer),
            "seconds": round(seconds, 3), "cpu_seconds": round(cpu_seconds, 3),
            "steps": config.steps, "pool": config.pool, "clean_images": len(clean),
            "tuning_images": len(split(clean)[0]), "train_config": to_json(source.train),
            "parameters": source.attack.parameters if source.attack else {},
            "class_names": list(source.dataset.class_names)}


def _images(test: TestSet) -> dict[str, Tensor]:
    sets = {"test": test.clean.x}
    return sets if test.triggered is None else sets | {"triggered": test.triggered.x}


def _entry(tuned: Tuned, test: TestSet) -> dict[str, Any]:
    rates = rates_of(test, tuned.logits["test"], tuned.logits.get("triggered"))
    return {"layer": tuned.layer, "index": tuned.index, "depth": round(tuned.depth, 4),
            "parameters": tuned.parameters, "method": tuned.method, **rates.to_json(),
            "seconds": round(tuned.seconds, 3), "fisher_trace": tuned.fisher_trace,
            "passes": tuned.passes, "stopped": tuned.stopped}


def _point(writer: RunWriter, entry: dict[str, Any]) -> None:
    rates = Evaluation.from_json(entry).rates()
    metrics = {name: rate.value for name, rate in rates.items() if rate.n}
    writer.point(entry["method"], entry["index"] + 1, entry["seconds"],
                 metrics | {"fisher_trace": entry["fisher_trace"]},
                 {name: rate.n for name, rate in rates.items()})


def _finetune(received: nn.Module, clean: Images, config: LayersConfig, test: TestSet,
              writer: RunWriter) -> dict[str, Any] | None:
    """Full fine-tuning for as many passes over batches as large, with which the map's cost is
    compared; None where it is not requested."""
    if config.reference == "none":
        return None
    model, last, began = copy.deepcopy(received), Step(0, 0.0, 0.0), time.process_time()
    own = FineTuning(lr=config.reference_lr)
    try:
        for step in purifier("finetune")(model, clean, own, config.budget):
            last = step
            writer.checkpoint()
    except Diverged:
        pass
    return {"seconds": round(last.seconds, 3),
            "cpu_seconds": round(time.process_time() - began, 3), "passes": last.step,
            **evaluate(model, test).to_json()}
