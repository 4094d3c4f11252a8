"""A purification run: several methods alternate step by step, on equal batches, each on its own
copy."""

import copy
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ngf_core.config import PurifyConfig, to_json
from ngf_core.config.methods import ngf_of
from ngf_core.data.dataset import Images
from ngf_core.evaluate.rates import RATES, Evaluation, Rate
from ngf_core.evaluate.test_set import evaluate
from ngf_core.execute.live_sharpness import LiveSharpness
from ngf_core.models.build import last_layer, tuned_layers
from ngf_core.models.layer_names import AUTO, LAST
from ngf_core.purify.method import purifier
from ngf_core.purify.precision import check_finite
from ngf_core.purify.registry import PURIFIERS
from ngf_core.purify.settings import LayerSettings, MethodSettings
from ngf_core.purify.step import Diverged, Step
from ngf_core.purify.weights import flat
from ngf_core.runs import RunStore, RunWriter
from ngf_core.runs.files import ATTACK, RECEIVED, SAMPLES, TRIGGERED, model_file, path_file
from ngf_core.trained.load import load_trained
from ngf_core.trained.samples import samples, says

PATH_POINTS = 10


@dataclass
class Racer:
    """One running method: its model, its iterator, and its results so far."""

    own: MethodSettings
    model: nn.Module
    steps: Iterator[Step]
    evaluation: Evaluation  # of the model as it was when last recorded
    last: Step = Step(0, float("nan"), 0.0)
    stopped: str | None = None
    path: dict[int, Tensor] = field(default_factory=dict)
    recorded: int = 0
    seconds: float = 0.0  # as last recorded
    found: dict[str, Any] = field(default_factory=dict)
    finished: bool = False
    cpu_seconds: float = 0.0

    @property
    def name(self) -> str:
        """The method's name."""
        return self.own.method

    @property
    def layer(self) -> str | None:
        """The layers named for the method to tune, whose path can be drawn; None without any."""
        return self.own.layer if isinstance(self.own, LayerSettings) else None

    def advance(self, steps: int, seconds: float) -> None:
        """One update; the racer is finished when it has no steps or no `seconds` left."""
        began = time.process_time()
        try:
            self.last = next(self.steps)
            self.found |= self.last.found or {}
            self.finished = 0 < seconds <= self.last.seconds
            if self.finished and self.last.step < steps:
                self.stopped = (f"{PURIFIERS[self.name].title} ended at pass {self.last.step} of "
                                f"{steps}: its {seconds:g} seconds were used up.")
        except StopIteration:
            self.finished = True
        except Diverged as error:
            self.stopped, self.finished = str(error), True
        finally:
            self.cpu_seconds += time.process_time() - began


def execute(config: PurifyConfig, store: RunStore, writer: RunWriter) -> dict[str, Any]:
    """Race the methods; writes before, after_<method> (safetensors), path_<method>, samples (npz).

    Path deltas are the tuned layers' weights minus the received ones, for the methods that tune
    named layers. Where their settings hold "auto" these are chosen first, once for all methods, on
    the clean set alone. Tuning seconds leave out evaluations, sharpness measurements, pauses and
    that choice. A method that diverges keeps its curve and its model as of then, and its results
    hold the error message.

    A method's state cannot be kept. A run that stopped takes the same steps again, on the same
    batches, but evaluates none of the models whose points it has; their loss and KL have to come
    out as before, else RunError.
    """
    source = load_trained(config.source, store)
    received = source.models["before"]
    check_finite(received)
    clean = source.dataset.clean(config.clean_fraction, config.clean_balance)
    config, choice = _with_layers(config, received, clean, writer)
    for layer in config.layers.values():
        tuned_layers(received, layer)
    where = next(received.parameters()).device
    writer.note(device=str(where), data_sha=source.dataset.sha256)
    shown = samples(source.dataset, source.attack, source.given)
    writer.arrays(SAMPLES, shown)
    writer.tensors(model_file("purify", RECEIVED), received.state_dict())
    if source.attack is not None and source.attack.learned:
        writer.tensors(ATTACK, source.attack.learned)
    if source.given is not None:
        writer.arrays(TRIGGERED, source.given.to_arrays())
    test = source.test
    before = evaluate(received, test)

    racers = []
    for own in config.methods:
        model = copy.deepcopy(received)
        steps = purifier(own.method)(model, clean, own, config.budget)
        racers.append(Racer(own, model, steps, before))
    sharpness = LiveSharpness(clean, config.seed, config.steps, len(racers)) \
        if config.sharpness == "on" else None

    def record(racer: Racer) -> None:
        step = racer.recorded = racer.last.step
        known = writer.known(racer.name, step)
        if known is not None:
            racer.seconds = writer.again(racer.name, step, racer.last.seconds, _losses(racer))
            racer.evaluation = _evaluation(known)
            if sharpness is not None:
                sharpness.measured(racer.name, step, known["metrics"])
            return
        if step:
            racer.evaluation = evaluate(racer.model, test)
        metrics, n, answers = _evaluated(racer, shown)
        if sharpness is not None:
            sharp = sharpness.measure(racer.name, racer.model, step)
            metrics, n = {**metrics, **sharp}, n | sharpness.counts(sharp)
        racer.seconds = writer.point(racer.name, step, racer.last.seconds, metrics, n, answers)

    for racer in racers:
        record(racer)
        _follow(racer)
    look, mark = max(1, config.steps // config.evaluations), max(1, config.steps // PATH_POINTS)
    while any(not racer.finished for racer in racers):
        for racer in racers:
            if racer.finished:
                continue
            before_it = racer.last.step
            racer.advance(config.steps, config.seconds)
            step = racer.last.step
            # The last step's model is recorded when the method has ended and reported everything.
            ends, on_the_way = racer.finished, step < config.steps
            if ends or on_the_way and step // mark > before_it // mark:
                _follow(racer)
            if step != racer.recorded and (ends or on_the_way and step // look > before_it // look):
                record(racer)
            writer.checkpoint()
        done = sum(racer.last.step for racer in racers)
        writer.progress(done, config.steps * len(racers),
                        ", ".join(f"{r.name} step {r.last.step}" for r in racers))
    results: dict[str, Any] = {RECEIVED: before.to_json()}
    for racer in racers:
        writer.tensors(model_file("purify", racer.name), racer.model.state_dict())
        if racer.layer:
            _write_path(racer, writer)
        results[racer.name] = racer.evaluation.to_json() | {
            "steps": racer.last.step, "seconds": round(racer.seconds, 3),
            "cpu_seconds": round(racer.cpu_seconds, 3), "stopped": racer.stopped,
            "found": racer.found, "changed": _changed(received, racer.model)}
        if racer.layer:
            results[racer.name]["layer"] = racer.layer
    if sharpness is not None:
        results["live_sharpness"] = sharpness.report()
    layer = next(iter(config.layers.values()), last_layer(received))
    if source.came_as:
        results["came_as"] = source.came_as
    return results | choice | {"clean_images": len(clean), "layer": layer,
                      "train_config": to_json(source.train),
                      "parameters": source.attack.parameters if source.attack else {},
                      "class_names": list(source.dataset.class_names)}


def _with_layers(config: PurifyConfig, received: nn.Module, clean: Images, writer: RunWriter
                 ) -> tuple[PurifyConfig, dict[str, Any]]:
    """The config with each "last" replaced by that layer's name and each "auto" by the chosen
    layer, and {"choice": how, at what cost}.

    Nothing is chosen for a race in which no method has "auto".
    """
    config = _named(config, LAST, last_layer(received))
    if AUTO not in config.layers.values():
        return config, {}
    choice = writer.part("choice")
    if choice is None:
        from ngf_core.layers import choose_layer

        began, cpu = time.perf_counter(), time.process_time()
        chosen = choose_layer(copy.deepcopy(received), clean, config.budget, ngf_of(config.methods))
        choice = {"layer": chosen.layer, "rule": chosen.rule, "scores": dict(chosen.scores),
                  "passes": chosen.passes,
                  "seconds": round(time.perf_counter() - began, 3),
                  "cpu_seconds": round(time.process_time() - cpu, 3)}
        writer.keep_part("choice", choice)
    return _named(config, AUTO, choice["layer"]), {"choice": choice}


def _named(config: PurifyConfig, text: str, layer: str) -> PurifyConfig:
    return replace(config, methods=tuple(
        replace(own, layer=layer) if isinstance(own, LayerSettings) and own.layer == text else own
        for own in config.methods))


def _evaluated(racer: Racer, shown: dict[str, np.ndarray]
               ) -> tuple[dict[str, float | None], dict[str, int], dict[str, Any]]:
    """The racer's rates and losses, the images behind the rates, and its answers to the samples."""
    rates = racer.evaluation.rates()
    return ({name: rate.value for name, rate in rates.items()} | _losses(racer),
            {name: rate.n for name, rate in rates.items()}, says(racer.model, shown))


def _losses(racer: Racer) -> dict[str, float | None]:
    return {"loss": racer.last.loss, "kl": racer.last.kl}


def _evaluation(point: Mapping[str, Any]) -> Evaluation:
    """The evaluation whose rates stand in a point event."""
    rates = {name: Rate(round(n * (point["metrics"][name] or 0.0)), n)
             for name in RATES if (n := point["n"].get(name)) is not None}
    return Evaluation(rates["acc"], rates.get("asr"), rates.get("ra"))


def _changed(received: nn.Module, model: nn.Module) -> int:
    """How many parameters differ from the received ones."""
    return sum(int((a != b).sum()) for a, b in zip(received.parameters(), model.parameters(),
                                                   strict=True))


def _follow(racer: Racer) -> None:
    if racer.layer:
        tuned = tuned_layers(racer.model, racer.layer).values()
        racer.path[racer.last.step] = flat([p for part in tuned for p in part.parameters()])


def _write_path(racer: Racer, writer: RunWriter) -> None:
    weights = torch.stack(list(racer.path.values()))
    deltas = (weights - weights[0]).to(torch.float16).cpu().numpy()
    writer.arrays(path_file(racer.name), {"steps": np.array(list(racer.path)), "deltas": deltas})
