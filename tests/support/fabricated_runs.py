"""Fabricated runs: every kind and state of run directory, with made-up numbers, in milliseconds.

For pages and figures, which read runs and never train. The numbers look plausible (a backdoor
that NGF removes and one-layer SGD mostly does not) but measure nothing.
"""

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
from numpy.random import Generator

from ngf_core.config import CONFIGS, PurifyConfig, TrainConfig
from ngf_core.config.methods import Methods, made, with_layer
from ngf_core.runs import Run, RunStore, RunWriter
from ngf_core.runs.files import SLICES
from ngf_core.runs.manifest import change_manifest
from tests.support.audited_pair import audited_pair

SIZE, CLASSES, TARGET_SHARE = 32, 10, 0.1
TEST_IMAGES = 1000
LAYER = "blocks.2.conv1"
LAYER_SHAPE = (8, 4, 3, 3)
_SOURCE_KIND = {"purify": "train", "spectrum": "purify", "landscape": "purify",
                "layers": "train", "audit": "purify"}


def make_run(store: RunStore, kind: str, *, state: str = "done", seed: int = 0,
             **config_fields: object) -> Run:
    """A run of `kind` in `state`, fabricated through RunWriter.

    States: queued, running (this process stands in for the worker), done, failed, cancelled,
    lost, corrupt. Without a `source` a finished one is fabricated too: spectrum and landscape
    stand on a purify run, that on a train run; `attack` and `dataset` then go to the train run.
    Other fields go to the config; a race's methods are named, `layer` is what they tune.
    """
    if kind in _SOURCE_KIND and "source" not in config_fields:
        trained = {name: config_fields.pop(name) for name in ("attack", "dataset")
                   if name in config_fields}
        config_fields["source"] = make_run(store, _SOURCE_KIND[kind], seed=seed, **trained).id
    if kind in ("purify", "layers"):
        config_fields["methods"] = _methods(kind, config_fields)
    if kind == "import":
        config_fields.setdefault("normalisation", "ngf")
    config = CONFIGS[kind](seed=seed, **config_fields)
    run = store.create(config)
    if state == "queued":
        return run
    if state == "corrupt":
        (run.path / "manifest.json").write_text('{"schema": 1, "id"')
        return run
    writer = RunWriter(run)
    writer.begin(threads=2)
    writer.note(device="cpu", data_sha="0" * 64)
    steps = _WRITERS[kind](writer, config, store, np.random.default_rng(seed))
    if state == "done":
        writer.finish(list(steps)[-1])
        return run
    for done, _ in enumerate(steps):
        if done == 8:
            break
    if state == "failed":
        writer.fail("The loss is no longer finite at step 40. Try a smaller KL bound or a larger "
                    "damping; the curves until then are kept.")
    elif state == "cancelled":
        writer.cancel("Cancelled at step 40 of 100; the curves until then are kept.")
    elif state == "lost":
        change_manifest(run.path, pid=2**22 + 1, pid_started=1.0)
    elif state != "running":
        raise ValueError(f"unknown state {state!r}")
    return run


def _methods(kind: str, fields: dict) -> Methods:
    """The methods that are named, NGF and SGD by default, with their own settings as `own`."""
    methods = made(fields.get("methods", ("ngf", "sgd")), fields.pop("own", {}))
    return with_layer(methods, fields.pop("layer", LAYER)) if kind == "purify" else methods


def _images(rng: Generator, count: int, train: TrainConfig) -> dict[str, np.ndarray]:
    """Sample images; a backdoored model's also with a white corner patch as their trigger."""
    channels = 1 if train.dataset == "digits" else 3
    rows, columns = np.mgrid[:SIZE, :SIZE]
    tints = rng.uniform(40, 215, (count, channels, 1, 1))
    waves = 40 * np.sin(rows / rng.uniform(3, 9, (count, 1, 1, 1)) + columns / 6)
    clean = np.clip(tints + waves, 0, 255).astype(np.uint8)
    plain = {"clean": clean, "labels": np.arange(count) % 9 + 1}
    if train.attack == "none":
        return plain
    triggered = clean.copy()
    triggered[:, :, -3:, -3:] = 255
    return plain | {"triggered": triggered, "targets": np.full(count, train.target)}


def _rates(acc: float, asr: float | None, ra: float | None) -> dict[str, dict | None]:
    others = round(TEST_IMAGES * (1 - TARGET_SHARE))
    counts = {"acc": (acc, TEST_IMAGES), "asr": (asr, others), "ra": (ra, others)}
    return {name: None if value is None else {"hits": round(value * n), "n": n}
            for name, (value, n) in counts.items()}


def _metrics(rates: dict[str, dict | None]) -> tuple[dict[str, float], dict[str, int]]:
    known = {name: rate for name, rate in rates.items() if rate is not None}
    return ({name: rate["hits"] / rate["n"] for name, rate in known.items()},
            {name: rate["n"] for name, rate in known.items()})


def _weights(rng: Generator) -> dict[str, np.ndarray]:
    return {"blocks.2.conv1.weight": rng.normal(size=LAYER_SHAPE).astype(np.float32),
            "fc.weight": rng.normal(size=(CLASSES, 8)).astype(np.float32)}


def _train(writer: RunWriter, config, store: RunStore, rng: Generator) -> Iterator[dict]:
    benign = config.attack == "none"
    if not benign:
        writer.arrays("poison", {"indices": np.arange(475)[None]})
    writer.arrays("samples", _images(rng, 8, config))
    for epoch in range(config.epochs + 1):
        learned = 1 - np.exp(-epoch / 2)
        rates = _rates(0.1 + 0.89 * learned, None if benign else 0.96 * learned**2,
                       None if benign else 0.04 + 0.3 * learned * (1 - learned))
        metrics, n = _metrics(rates)
        writer.point("train", epoch, 2.0 * epoch, metrics | {"loss": 2.3 * (1 - learned) + 0.02}, n)
        writer.progress(epoch, config.epochs, f"epoch {epoch} of {config.epochs}")
        yield {"train": rates}
    writer.tensors("model", _weights(rng))
    yield {"train": rates, "poisoned": 0 if benign else round(4750 * config.poison_rate),
           "poison_rate": 0.0 if benign else config.poison_rate, "train_images": 4750,
           "seconds": 2.0 * config.epochs, "precision": "float32"}


def _import(writer: RunWriter, config, store: RunStore, rng: Generator) -> Iterator[dict]:
    """A model from elsewhere without a known trigger."""
    writer.arrays("samples", {name: array for name, array in _images(rng, 8, config).items()
                              if name in ("clean", "labels")})
    rates = _rates(0.98, None, None)
    for done in range(10):
        writer.progress(done, 10, "Looking at its answers on clean images")
        yield {"import": rates}
    writer.tensors("model", _weights(rng))
    yield {"import": rates, "doubts": [], "untold": [], "came_as": {
        "prefix": "", "place": "", "tensors": {}, "layers": ["network.linear"],
        "parameters": 10, "multiply_adds": 10.0}}


# Where each method ends (ACC, ASR, RA) and how fast it gets there.
_ENDS = {"ngf": ((0.985, 0.01, 0.96), 0.08), "sgd": ((0.988, 0.62, 0.35), 0.03),
         "finetune": ((0.982, 0.05, 0.92), 0.06)}
_RECEIVED = (0.99, 0.96, 0.03)


def _purify(writer: RunWriter, config, store: RunStore, rng: Generator) -> Iterator[dict]:
    train = store.get(config.source).config
    benign = train.attack == "none"
    samples = _images(rng, 8, train)
    before = _rates(_RECEIVED[0], *((None, None) if benign else _RECEIVED[1:]))
    marks = np.linspace(0, config.steps, 21).round().astype(int)
    layer = next(iter(config.layers.values()), LAYER)
    results = {"before": before, "clean_images": 250, "layer": layer,
               "train_config": asdict(train)}
    received = _weights(rng)
    writer.arrays("samples", samples)
    writer.tensors("before", received)
    total = config.steps * len(config.names)
    for index, method in enumerate(config.names):
        ends, pace = _ENDS[method]
        for step in marks.tolist():
            share = (1 - np.exp(-pace * step)) / (1 - np.exp(-pace * 100))
            acc, asr, ra = (a + (b - a) * share for a, b in zip(_RECEIVED, ends, strict=True))
            acc -= 0.06 * np.sin(np.pi * step / config.steps) * (method == "ngf")
            rates = _rates(acc, *((None, None) if benign else (asr, ra)))
            metrics, n = _metrics(rates)
            loss = {"loss": 0.02 + 0.3 * np.exp(-step / 30), "kl": 0.2 * np.exp(-step / 40)}
            sharp = _sharpness(method, step) if config.sharpness == "on" and step % 10 == 0 else {}
            writer.point(method, step, 0.06 * step, metrics | loss | sharp, n | dict.fromkeys(
                sharp, 50), _predictions(samples, asr))
            writer.progress(index * config.steps + step, total, f"{method}: step {step}")
            yield results
        moved = 0.02 * np.sqrt(marks)[:, None] * rng.normal(size=np.prod(LAYER_SHAPE))
        writer.arrays(f"path_{method}", {"steps": marks, "deltas": moved.astype(np.float16)})
        after = received | {"blocks.2.conv1.weight": received["blocks.2.conv1.weight"]
                            + moved[-1].reshape(LAYER_SHAPE).astype(np.float32)}
        writer.tensors(f"after_{method}", after)
        results[method] = rates | {"steps": config.steps, "seconds": 0.06 * config.steps,
                                   "stopped": None}
    yield results


def _sharpness(method: str, step: int) -> dict[str, float]:
    """Sharper after the first steps, flatter at the end; not known at every evaluation."""
    top = 40 * (1 + {"ngf": 6, "sgd": 2}.get(method, 4) * step / 20 * np.exp(1 - step / 20))
    return {"lambda_max": top, "lambda_error": 0.02 * top, "fisher_trace": 2.6 * top,
            "fisher_trace_error": 0.8 * top}


def _predictions(samples: dict[str, np.ndarray], asr: float) -> dict[str, list]:
    labels = samples["labels"]
    said = {"clean": [[int(label), 0.97] for label in labels]}
    if "triggered" in samples:
        flips = np.linspace(0.02, 0.98, len(labels))
        said["triggered"] = [
            [0 if flip < asr else int(label), round(0.5 + abs(flip - asr) / 2, 3)]
            for label, flip in zip(labels, flips, strict=True)]
    return said


def _models(source: Run) -> list[str]:
    config = source.config
    return ["before", *config.names] if isinstance(config, PurifyConfig) else ["before"]


def _attack(source: Run) -> str:
    trained = source.results.get("train_config") or source.manifest["config"]
    return trained["attack"]


def _spectrum(writer: RunWriter, config, store: RunStore, rng: Generator) -> Iterator[dict]:
    models = _models(store.get(config.source))
    arrays: dict[str, np.ndarray] = {"models": np.array(models)}
    results: dict[str, object] = {"samples": config.samples, "layer": "blocks.2.conv1",
                                  "dtype": "float32"}
    grid = np.linspace(-20, 160, 201)
    lines: dict[str, np.ndarray] = {}
    for done, model in enumerate(models):
        top = {"before": 130.0, "ngf": 118.0}.get(model, 128.0)
        values = top * 0.7 ** np.arange(config.k)
        centres = np.concatenate([values, rng.normal(0, 1, 300)])
        distances = [grid[:, None] - centres * rng.normal(1, 0.02) for _ in range(config.probes)]
        density = np.exp(-np.stack(distances) ** 2 / 8).mean(2)
        arrays |= {
            f"{model}.eigenvalues": values, f"{model}.residuals": values * 1e-3,
            f"{model}.trace": np.array([2.8 * top, 0.2 * top, config.trace_probes]),
            f"{model}.density_grid": grid, f"{model}.density": density / np.sqrt(8 * np.pi),
            f"{model}.fisher": np.sort(rng.lognormal(-2, 2, 40))[::-1],
            f"{model}.lowest": np.array([-0.05 * top]),
            f"{model}.lowest_residuals": np.array([1e-4 * top]),
            f"{model}.products": np.array(config.steps * config.probes + config.trace_probes)}
        along = np.append(values, -0.05 * top)
        t = np.sqrt(2 / np.abs(along))[:, None] * np.linspace(-1, 1, 21)
        lines |= {f"{model}.t": t, f"{model}.slopes": 0 * along + 0.01,
                  f"{model}.loss": 0.1 + 0.01 * t + along[:, None] * t**2 / 2 + 0.25 * np.abs(t)**3}
        results[model] = {"lambda_max": top, "residual": top * 1e-3, "trace": 2.8 * top,
                          "trace_error": 0.2 * top, "unreached": [],
                          "sharpness": _measures(top, model != "before"),
                          "pyhessian": _second_opinion(top)}
        writer.arrays("spectrum", arrays | {"models": np.array(models[: done + 1])})
        writer.progress(done + 1, len(models), f"{model}: spectrum")
        yield results
    if config.operator == "hessian":
        writer.arrays(SLICES, lines)
    yield results


def _measures(top: float, compared: bool) -> dict[str, dict]:
    """Two measures of a model whose λ_max is `top`, one of them by layer."""
    made = {}
    for name, title, share in (("lambda_max", "λ_max", 1.0),
                               ("relative_flatness", "relative flatness", 0.4)):
        made[name] = {"title": title, "definition": f"What {title} is.", "moved_by": "the scale of "
                      "the logits", "value": share * top, "error": 1e-3 * top,
                      "error_is": "Ritz residual", "sampling_error": 0.1 * top,
                      "cost": {"Hessian products": 20}, "parts": {}}
        if compared:
            made[name]["minus_before"] = {"value": share * (top - 130), "error": 1e-3 * top,
                                          "error_is": "sum of both", "sampling_error": 4.0}
    made["relative_flatness"]["parts"] = {"conv1": [0.3 * top, 1.0], "fc": [0.1 * top, 0.5]}
    return made


def _second_opinion(top: float) -> dict:
    return {"eigenvalue": 1.0001 * top, "residual": 0.01 * top, "ours": top,
            "our_residual": 1e-3 * top, "trace": 3.0 * top, "trace_error": 0.3 * top, "probes": 15,
            "our_trace": 2.8 * top, "our_trace_error": 0.2 * top, "z": 0.55, "products": 31,
            "eigenvalue_agrees": True, "trace_agrees": True}


def _surface(key: str, loss: np.ndarray, offset: float, config) -> dict[str, np.ndarray]:
    """A surface on clean and triggered images; of a preview every third point was computed."""
    arrays = {f"{key}.clean": loss, f"{key}.triggered": loss + offset}
    if config.mode == "preview":
        mask = np.arange(loss.size).reshape(loss.shape) % 3 == 0
        for part in list(arrays):
            arrays |= {f"{part}.computed": mask, f"{part}.held_out": np.array(
                [0.004, 0.018, config.bound])}
    return arrays


def _landscape(writer: RunWriter, config, store: RunStore, rng: Generator) -> Iterator[dict]:
    source = store.get(config.source)
    models, no_plane = _models(source), None
    side = np.linspace(-config.span, config.span, config.grid)
    arrays = {"models": np.array(models), "line_t": side, "xs": side, "ys": side}
    for done, model in enumerate(models):
        sharp, offset = (6.0, 3.0) if model == "before" else (4.0, 0.5)
        bowl = 0.02 + sharp * (side[None] ** 2 + 1.5 * side[:, None] ** 2)
        arrays |= {f"{model}.line.clean": 0.02 + sharp * side**2,
                   f"{model}.line.triggered": offset + sharp * side**2}
        arrays |= _surface(f"{model}.random", bowl, offset, config)
        if "eigen" in config.planes:
            arrays |= {"eigen_xs": 0.1 * side, "eigen_ys": 0.1 * side,
                       "eigen_values": np.array([93.0, 41.5]),
                       "eigen_residuals": np.array([0.03, 0.08]),
                       f"{model}.curvature": np.array([10 * sharp, 5 * sharp])}
            arrays |= _surface(f"{model}.eigen", bowl, offset, config)
        writer.progress(done + 1, len(models), f"{model}: random plane")
        yield {"samples": config.samples}
    if len(models) != 3:
        no_plane = "The plane through the models needs a race of at least two methods."
    else:
        plane = np.linspace(-0.5, 1.5, config.grid)
        points = np.array([[0.0, 0.0], [1.0, 0.0], [0.4, 0.8]])
        near = np.min([(plane[None] - x) ** 2 + (plane[:, None] - y) ** 2 for x, y in points], 0)
        towards = np.linspace(0, 1, 21)[:, None]
        arrays |= {"plane_xs": plane, "plane_ys": plane, "plane.clean": 0.02 + 3 * near,
                   "plane.triggered": 0.1 + 3 * np.abs(1 - plane[None] - 0 * plane[:, None]),
                   "plane.points": points}
        for method, point in zip(models[1:3], points[1:], strict=True):
            bend = 0.1 * np.sin(np.pi * towards) * point[::-1]
            length = np.linspace(0, 3 * point[0], 21)
            arrays |= {f"{method}.path": towards * point + bend,
                       f"{method}.path_steps": np.arange(0, 101, 5),
                       f"{method}.path_length": length,
                       f"{method}.along.clean": 0.1 + 0.01 * length,
                       f"{method}.along.triggered": 0.01 + length,
                       f"{method}.on_path_plane": towards * point + bend,
                       f"{method}.off_path_plane": 0.2 + 0 * length}
            t = arrays["chord_t"] = np.linspace(-0.25, 1.25, 31)
            arrays |= {f"{method}.chord.clean": 0.1 + t**2,
                       f"{method}.chord.triggered": 0.1 + np.abs(t)}
        if "path" in config.planes:
            arrays |= {"path_xs": plane, "path_ys": plane, "path_variance": np.array([0.8, 0.1])}
            arrays |= _surface("path", 0.02 + 3 * near, 1.0, config)
    if _attack(source) == "none":
        arrays = {key: value for key, value in arrays.items() if "triggered" not in key}
    writer.arrays("landscape", arrays)
    yield {"samples": config.samples, "not_finite": 0, "no_plane": no_plane,
           "points": int(sum(value.size for key, value in arrays.items() if "." in key))}


# Of each layer: what NGF and SGD leave, as (ACC, ASR, RA), and what three rules say of it.
MAP = {"stem": ((0.97, 0.12, 0.80), (0.98, 0.90, 0.08), (0.9, 0.1, 0.5)),
       "blocks.2.conv1": ((0.985, 0.03, 0.94), (0.988, 0.62, 0.35), (0.4, 0.8, 0.7)),
       "linear": ((0.96, 0.45, 0.30), (0.99, 0.95, 0.04), (0.2, 0.3, 0.9))}
LAYER_RULES = ("fisher_mass", "spectrum_ratio", "sensitivity")


def _layers(writer: RunWriter, config, store: RunStore, rng: Generator) -> Iterator[dict]:
    train = store.get(config.source).config
    benign = train.attack == "none"

    def rates(acc: float, asr: float, ra: float) -> dict[str, dict | None]:
        return _rates(acc, None if benign else asr, None if benign else ra)

    entries: list[dict] = []
    scores = {rule: {layer: row[2][at] for layer, row in MAP.items()}
              for at, rule in enumerate(LAYER_RULES)}
    results = {"before": rates(*_RECEIVED), "map": entries, "scores": scores,
               "chosen": {rule: max(of, key=of.get) for rule, of in scores.items()},
               "rule": "spectrum_ratio", "auto": "blocks.2.conv1",
               "oracle": None if benign else {"layer": "blocks.2.conv1", "method": "ngf"},
               "finetune": {"seconds": 4.0, "cpu_seconds": 6.0} | rates(0.982, 0.05, 0.92),
               "seconds": 9.0, "cpu_seconds": 15.0,
               "steps": 50, "pool": 4, "clean_images": 250, "train_config": asdict(train),
               "class_names": [f"class {i}" for i in range(CLASSES)]}
    for index, (layer, (ngf, sgd, _)) in enumerate(MAP.items()):
        for method, ends in (("ngf", ngf), ("sgd", sgd)):
            entry = rates(*ends)
            trace = 40.0 / (index + 1)
            entries.append({"layer": layer, "index": index, "depth": index / (len(MAP) - 1),
                            "parameters": 432 * (index + 1), "method": method, **entry,
                            "seconds": 2.0 / (index + 1), "fisher_trace": trace, "passes": 50,
                            "stopped": None})
            metrics, n = _metrics(entry)
            writer.point(method, index + 1, 1.0, metrics | {"fisher_trace": trace}, n)
            writer.progress(len(entries), 2 * len(MAP), f"{method} on {layer}")
            yield results
    yield results


def _audit(writer: RunWriter, config, store: RunStore, rng: Generator) -> Iterator[dict]:
    """A pair that grew sharper by every measure, on the model's own seed."""
    source = store.get(config.source)
    made = source.results.get("train_config") or source.manifest["config"]
    found = audited_pair(made["seed"], made["attack"], plain=3.0, invariant=2.0)
    for role in found["models"].values():
        role["run"] = config.source
    found["models"]["after"]["model"] = config.model
    for done in range(10):
        writer.progress(done, 10, "Measuring before")
        yield found
    yield found


_WRITERS = {"train": _train, "import": _import, "purify": _purify, "spectrum": _spectrum,
            "landscape": _landscape, "layers": _layers, "audit": _audit}
