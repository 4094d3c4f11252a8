"""What a run will cost, from the newest finished run of its kind on this machine.

Where there is no such run, from a count of multiply-adds and a cautious speed.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from ngf_core.config import (
    AuditConfig,
    Config,
    ImportConfig,
    LandscapeConfig,
    LayersConfig,
    ModelConfig,
    PurifyConfig,
    SpectrumConfig,
    TrainConfig,
)
from ngf_core.data import DATASETS
from ngf_core.errors import NGFError
from ngf_core.models.layer_names import AUTO
from ngf_core.runs import Run, RunStore, default_store
from ngf_core.runs.lineage import holder_of, training_behind

# Multiply-adds per second. One core that trained or purified the mini network did about 5e10; this
# is lower on purpose, and replaced by this machine's own runs as soon as there are any.
CAUTIOUS_SPEED = 3.0e10
START_SECONDS = 4.0
CURVATURE_MODELS = 3
# What the sharpness measures of the mini network took, in Hessian products.
# `POINTS` of ngf_core.curvature.sharpness.slices, which needs torch.
SLICE_POINTS = 21
SHARPNESS_PRODUCTS = {"none": 0, "cheap": 45, "all": 150}
KRYLOV_MEGABYTES = 256
LIKE_IMPORTED = "resnet18"


@dataclass(frozen=True)
class Cost:
    """Seconds of wall time, megabytes on disk, and one sentence on what they rest on."""

    seconds: float
    megabytes: float
    basis: str


@dataclass(frozen=True)
class Model:
    """The model behind a run: how it was made, and the multiply-adds of one image's forward pass,
    the parameters and the layers of its network."""

    made: ModelConfig
    multiply_adds: float
    parameters: int
    layers: tuple[str, ...]


def estimate(config: Config, store: RunStore | None = None,
             trained: TrainConfig | None = None) -> Cost:
    """The cost of a run; where the source of its config is missing, that of one which is `trained`
    so, by default a mini network's."""
    store = store or default_store()
    model = _model(config, store, trained)
    work, size = _work(config, model), _megabytes(config, model)
    for run in store.list(config.kind):
        # One that went on has in its manifest only when its last part began.
        if run.state != "done" or run.shipped or run.manifest["resumed"]:
            continue
        like = _model(run.config, store)
        if _alike(like, model, config.kind):
            pace = max(_seconds(run) - START_SECONDS, 0.1) / _work(run.config, like)
            return Cost(START_SECONDS + pace * work, size, f"From the pace of run {run.id}.")
    return Cost(START_SECONDS + work / CAUTIOUS_SPEED, size,
                "A cautious guess: no such run has finished on this machine yet.")


def _work(config: Config, model: Model) -> float:
    """Multiply-adds, a backward pass counted as two forward passes."""
    train, forward = model.made, model.multiply_adds
    entry = DATASETS[train.dataset]
    evaluated = 1.9 * min(entry.test_images, train.limit * entry.classes or entry.test_images)
    if isinstance(config, ImportConfig):  # the evaluation, and seventeen others on clean images
        return forward * (evaluated + 17 * 500)
    if isinstance(config, TrainConfig):
        trained = 3 * entry.training_images(config.limit)
        return forward * config.epochs * (trained + evaluated)
    if isinstance(config, PurifyConfig):
        tuning = config.steps * 250 * 6
        # A step size is chosen among four, each tuned with on four fifths of the clean images.
        tried = [4 * 0.8 if own.chooses_step_size else 0
                 for own in config.methods]
        # The default rule tunes each layer for ten steps on 64 images, and evaluates its answers.
        chosen = 0.46 * len(model.layers) * 10 * 64 * 8 if AUTO in config.layers.values() else 0
        return forward * (sum(1 + more for more in tried) * tuning + chosen
                          + len(config.methods) * (config.evaluations + 1) * evaluated)
    if isinstance(config, LayersConfig):
        # As measured on the mini network: the networks behind its ten layers are together 4.6 of
        # the whole, and natural gradient costs about twice what SGD does.
        batch = min(config.batch_size, 250)
        behind = 0.46 * len(model.layers)
        kept = behind if config.pool or config.augment == "none" else len(model.layers)
        tuning = sum(8 if name == "ngf" else 4 for name in config.names) * config.steps * batch
        reference = 3 * config.steps * batch if config.reference != "none" else 0
        return forward * (kept * tuning + reference
                          + (behind * len(config.methods) + 1) * evaluated)
    if isinstance(config, SpectrumConfig):
        # As measured on the mini network: a Lanczos run, short probes, and few samples of a trace
        # whose deflated samples spread by a tenth.
        sampled = min(config.trace_probes, 5 + int((10 / config.trace_error) ** 2))
        products = _krylov_steps(config) + 10 * (config.probes - 1) + sampled
        if config.check != "none" and config.operator == "hessian":
            products += 31
        products += SHARPNESS_PRODUCTS[config.sharpness]
        if config.operator == "hessian":  # slices, whose passes are a ninth of a product
            products += SLICE_POINTS * (config.k + config.bottom) // 9
        return forward * CURVATURE_MODELS * products * config.samples * 9
    if isinstance(config, AuditConfig):
        # Three readings of all measures, and the few of the controls on each further set.
        products = 3 * SHARPNESS_PRODUCTS["cheap"] + 30 * (3 + 2 * config.further)
        return forward * products * config.samples * 9
    assert isinstance(config, LandscapeConfig)
    surfaces = sum(CURVATURE_MODELS if plane in ("random", "eigen") else 1
                   for plane in config.planes)
    # A preview of 51 x 51 points computed an eighth to a fifth of them.
    share = 0.17 if config.mode == "preview" else 1.0
    points = share * surfaces * config.grid**2 + 70 * CURVATURE_MODELS
    products = 9 * 20 if "eigen" in config.planes else 0
    return forward * (points * 2 + products) * config.samples


def _krylov_steps(config: SpectrumConfig) -> int:
    return 2 * (config.k + config.bottom) + 8


def _megabytes(config: Config, of: Model) -> float:
    model = 4e-6 * of.parameters
    if isinstance(config, SpectrumConfig):
        # The Krylov basis of each model, from which a later run resumes; a large one is not kept.
        basis = model * (_krylov_steps(config) + config.k)
        return 0.3 + (CURVATURE_MODELS * basis if basis < KRYLOV_MEGABYTES else 0)
    if isinstance(config, ModelConfig):
        return model + 0.1
    if isinstance(config, LayersConfig):
        return 0.1
    if isinstance(config, PurifyConfig):
        return model * (1 + 1.6 * len(config.methods)) + 0.2
    return 0.3


@lru_cache
def multiply_adds(arch: str, channels: int = 3, side: int = 32) -> float:
    """`multiply_adds_of` a network of that architecture for ten classes."""
    import torch

    from ngf_core.models.build import build_model, multiply_adds_of

    with torch.device("meta"):
        return multiply_adds_of(build_model(arch, (channels, side, side), 10).eval(),
                                torch.zeros(1, channels, side, side))


@lru_cache
def parameters(arch: str) -> int:
    """How many parameters the architecture has for ten classes of colour images."""
    import torch

    from ngf_core.models.build import build_model

    with torch.device("meta"):
        return sum(p.numel() for p in build_model(arch, (3, 32, 32), 10).parameters())


def _model(config: Config, store: RunStore, trained: TrainConfig | None = None) -> Model:
    """The model behind the run; where that is unknown, one that is `trained` so, by default a mini
    network's; a network of middle size for one that is yet to be imported."""
    try:
        made = trained or training_behind(config, store)
        if isinstance(made, ImportConfig) and not isinstance(config, ModelConfig):
            came_as = holder_of(store.get(config.source), store).results["came_as"]
            return Model(made, came_as["multiply_adds"], came_as["parameters"],
                         tuple(came_as["layers"]))
    except (NGFError, KeyError):
        made = TrainConfig()
    arch = made.arch if isinstance(made, TrainConfig) else LIKE_IMPORTED
    from ngf_core.models.build import tunable_layer_names

    channels, side = _shape(made)
    return Model(made, multiply_adds(arch, channels, side), parameters(arch),
                 tunable_layer_names(arch, (channels, side, side)))


def _shape(train: ModelConfig) -> tuple[int, int]:
    """Channels and side of the images."""
    entry = DATASETS[train.dataset]
    return entry.channels, train.size or entry.size


def _alike(one: Model, other: Model, kind: str) -> bool:
    """Whether the pace of a run on one predicts that of a run on the other.

    Training a generator beside the network costs more, so a training predicts its own attack only.
    """
    return ((one.made.arch, _shape(one.made)) == (other.made.arch, _shape(other.made))
            and (kind != "train" or one.made.attack == other.made.attack))


def _seconds(run: Run) -> float:
    started, finished = (datetime.fromisoformat(run.manifest[key])
                         for key in ("started", "finished"))
    return (finished - started).total_seconds()
