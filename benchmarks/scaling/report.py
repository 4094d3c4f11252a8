"""The fit, and the tables of docs/scaling.md."""

from collections.abc import Mapping

from benchmarks.scaling.sizes import (
    AGAIN,
    DECODED,
    NETWORKS,
    SIZES,
    TESTED,
    TESTED_AGAIN,
    WORK,
    stage_of,
)
from ngf_core.config import LandscapeConfig, PurifyConfig, SpectrumConfig, TrainConfig
from ngf_core.data import DATASETS
from ngf_core.execute.cost import curvature_memory
from ngf_core.execute.run_stages import stages_of
from ngf_core.models.build import tunable_layer_names
from ngf_core.scaling.fit import fitted
from ngf_core.scaling.model import NAMES, Coefficients, exchange, is_divided, predicted
from ngf_core.scaling.network import Network, network_of
from ngf_core.scaling.stages import ONE, STAGES, Decode, Poison, Spectrum, Stage

SEEN = SIZES[:-1]
# Their seconds are fitted together, since a pass forward is one whether a model is judged or tuned.
TOGETHER = ("evaluate", "purify")
TERMS = {"seconds": "time", "bytes": "memory"}
BOUND = 0.25
CORES, RANKS, BANDWIDTH, GPU = 16, 8, 1.25e9, 1000
# In the arithmetic that was measured, whatever this machine has.
EXTRAPOLATED = {title: TrainConfig(dataset=name, arch="resnet50", epochs=90, precision="bf16")
                for title, name in (("ImageNet", "imagenet"), ("Tiny-ImageNet", "tiny_imagenet"))}
# The default has no room for the vectors of these networks.
SPECTRUM = SpectrumConfig(source="x", memory=16.0)
Measured = Mapping[str, Mapping[str, Mapping[str, float]]]
Model = dict[str, dict[str, Coefficients]]


def fit(measured: Measured) -> Model:
    """By stage, the coefficients of its seconds and bytes, from the three sizes it may see."""
    return {name: {what: _fit(measured, name, what) for what in TERMS} for name in STAGES}


def _fit(measured: Measured, name: str, what: str) -> Coefficients:
    together = TOGETHER if name in TOGETHER and what == "seconds" else (name,)
    sizes = [(one, size) for one in together for size in SEEN]
    found = fitted([getattr(stage_of(*one), TERMS[what]) for one in sizes],
                   [measured[one][size][what] for one, size in sizes])
    return {term: found[term] for term in getattr(stage_of(name, SEEN[0]), TERMS[what])}


def errors(measured: Measured, model: Model, size: str = TESTED) -> dict[str, dict[str, float]]:
    """By stage and "seconds" or "bytes": predicted / measured - 1 of what was measured at a size.
    """
    return {name: {what: _prediction(model, name, what, size) / true - 1
                   for what, true in measured[name][size].items()}
            for name in STAGES if size in measured[name]}


def _prediction(model: Model, name: str, what: str, size: str) -> float:
    return predicted(model[name][what], getattr(stage_of(name, size), TERMS[what]))


def page(measured: Measured) -> str:
    """All tables, each a block of its own."""
    model = fit(measured)
    blocks = [_compared(measured, model), _compared_again(measured, model), _sizes(),
              _coefficients(model)]
    blocks += [_extrapolated(title, config, model) for title, config in EXTRAPOLATED.items()]
    return "\n\n".join(blocks) + "\n"


def _compared(measured: Measured, model: Model) -> str:
    off = errors(measured, model)
    rows = [["stage", "predicted, s", "measured, s", "error", "predicted, MB", "measured, MB",
             "error"]]
    for name in STAGES:
        cells = [name]
        for what, scale in (("seconds", 1.0), ("bytes", 1e-6)):
            true = measured[name][TESTED][what]
            error = off[name][what]
            cells += [_number(scale * true * (1 + error)), _number(scale * true), _told(error)]
        rows.append(cells)
    return _table(rows)


def _compared_again(measured: Measured, model: Model) -> str:
    off = errors(measured, model, AGAIN)
    rows = [["stage, second test", "predicted, MB", "measured, MB", "error"]]
    for name in TESTED_AGAIN:
        cells = [name, _number(1e-6 * _prediction(model, name, "bytes", AGAIN))]
        rows.append(cells + ([_number(1e-6 * measured[name][AGAIN]["bytes"]),
                              _told(off[name]["bytes"])] if name in off else ["–", "–"]))
    return _table(rows)


def _told(error: float) -> str:
    told = f"{100 * error:+.0f} %"
    return told if abs(error) <= BOUND else f"**{told}**"


def _sizes() -> str:
    sizes = (*SIZES, AGAIN)
    rows = [["size", *sizes],
            ["network", *(NETWORKS[size][0] for size in sizes)],
            ["pixels", *(f"{NETWORKS[size][1]} × {NETWORKS[size][1]}" for size in sizes)],
            ["weights, millions", *(_number(_network(size).weights / 1e6) for size in sizes)],
            ["multiply-adds an image, millions",
             *(_number(_network(size).multiply_adds / 1e6) for size in sizes)],
            ["decode: files, their pixels", *(f"{DECODED[size][0]:,}, {DECODED[size][1]} × "
                                              f"{DECODED[size][2]}" for size in SIZES), "–"]]
    for name, work in WORK.items():
        rows.append([f"{name}: {', '.join(work[TESTED])}",
                     *(", ".join(f"{value:,}" for value in work[size].values())
                       if size in work else "–" for size in sizes)])
    return _table(rows)


def _network(size: str) -> Network:
    return network_of(*NETWORKS[size])


def _coefficients(model: Model) -> str:
    rows = [["of stage", "seconds", "bytes"]]
    for name in STAGES:
        rows.append([name, *(" + ".join(f"{value:.2g} × {term}".removesuffix(f" × {ONE}")
                                        for term, value in model[name][what].items() if value)
                             for what in TERMS)])
    return _table(rows)


def _extrapolated(title: str, train: TrainConfig, model: Model) -> str:
    """The stages of a training, a default race, spectrum and landscape on one data set."""
    entry = DATASETS[train.dataset]
    network = network_of(train.arch, entry.size, entry.classes)
    layers = len(tunable_layer_names(train.arch, (3, entry.size, entry.size)))
    race = PurifyConfig(source="x")
    evaluations = len(race.methods) * (race.evaluations + 1)
    runs = {train: ("decode, once", "poison", f"train, {train.epochs} epochs",
                    f"evaluate, {train.epochs} times"),
            race: ("race: NGF tunes", "race: SGD tunes", f"race: evaluate, {evaluations} times"),
            SPECTRUM: ("spectra of three models",),
            LandscapeConfig(source="x"): ("landscape",)}
    rows = [[f"{title}, ResNet-50", "one core", f"{CORES} cores", f"{RANKS} × {CORES} cores",
             "a GPU", "memory, GB", "disk, GB"]]
    for config, labels in runs.items():
        stages = stages_of(config, train, network, layers)
        for label, stage in zip(labels, stages, strict=True):
            name = NAMES[type(stage)]
            seconds = predicted(model[name]["seconds"], stage.time)
            bytes_ = predicted(model[name]["bytes"], stage.memory)
            if isinstance(stage, Spectrum):
                bytes_ = curvature_memory(bytes_, network.weights, SPECTRUM.memory)
            rows.append([label, *map(_duration, _elsewhere(stage, seconds, config.kind)),
                         _number(bytes_ / 1e9), _number(stage.disk / 1e9)])
    return _table(rows)


def _elsewhere(stage: Stage, seconds: float, kind: str) -> list[float | None]:
    """One core; CORES, shared ideally, of which decoding uses as many as it has threads; RANKS of
    CORES; a GPU of GPU times the arithmetic of the core, for what runs there."""
    threads = stage.workers if isinstance(stage, Decode) else CORES
    many = seconds / min(CORES, threads)
    ranked = many / RANKS + exchange(stage, RANKS, BANDWIDTH) if is_divided(stage, kind) else many
    on_gpu = None if isinstance(stage, Decode | Poison) else seconds / GPU
    return [seconds, many, ranked, on_gpu]


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    for unit, length in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 1.5 * length:
            return f"{_number(seconds / length)} {unit}"
    return f"{_number(seconds)} s"


def _number(value: float) -> str:
    if value == 0:
        return "0"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}" if value < 10 else f"{value:.1f}"


def _table(rows: list[list[str]]) -> str:
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)

