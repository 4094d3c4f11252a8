"""The stages of which a run consists, for the estimate of its cost."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

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
from ngf_core.errors import ConfigError
from ngf_core.models.layer_names import AUTO, LAST
from ngf_core.purify.settings import LayerSettings, MethodSettings
from ngf_core.scaling.stages import (
    Decode,
    Evaluate,
    Landscape,
    Poison,
    Purify,
    Spectrum,
    Stage,
    Train,
)

if TYPE_CHECKING:
    from ngf_core.scaling.network import Network

CURVATURE_MODELS = 3
# `POINTS` of ngf_core.curvature.sharpness.slices, which needs torch.
SLICE_POINTS = 21
# What the sharpness measures of the mini network took, in Hessian products.
SHARPNESS_PRODUCTS = {"none": 0, "cheap": 45, "all": 150}
SOURCE_PIXELS = {"imagenet": 400 * 350}
DECODERS = 8  # threads at most, in ngf_core.data.mapped


def stages_of(config: Config, made: ModelConfig, network: Network, layers: int) -> list[Stage]:
    """The stages of a run on a model that was `made` so: a network with so many tunable layers."""
    test = evaluated(made)
    if isinstance(config, ImportConfig):  # the evaluation, and seventeen others on clean images
        return [Evaluate(network, test), Evaluate(network, 500, 17)]
    if isinstance(config, TrainConfig):
        return _training(config, network, test)
    if isinstance(config, PurifyConfig):
        return _purification(config, made, network, layers, test)
    if isinstance(config, LayersConfig):
        return [Evaluate(network, test, _map_passes(config, layers, test) / test)]
    if isinstance(config, SpectrumConfig):
        return [_spectrum(config, network)]
    if isinstance(config, AuditConfig):
        # Three readings of all measures, and the few of the controls on each further set.
        products = 3 * SHARPNESS_PRODUCTS["cheap"] + 30 * (3 + 2 * config.further)
        return [Spectrum(network, config.samples, products,
                         rebuilt=rebuilt(config.samples, network, config.memory * 1e9))]
    assert isinstance(config, LandscapeConfig)
    return _landscape(config, network)


def evaluated(made: ModelConfig) -> float:
    """Images of one evaluation: the test images, and nearly as many with the trigger."""
    entry = DATASETS[made.dataset]
    return 1.9 * min(entry.test_images, made.limit * entry.classes or entry.test_images)


def krylov_steps(config: SpectrumConfig) -> int:
    """Lanczos steps until the eigenvalues have usually converged."""
    return 2 * (config.k + config.bottom) + 8


def _training(config: TrainConfig, network: Network, test: float) -> list[Stage]:
    entry = DATASETS[config.dataset]
    images = entry.training_images(config.limit)
    stages: list[Stage] = []
    if not entry.embedded:  # once: a later run finds them
        whole = images / 0.95 + test / 1.9
        stages.append(Decode(whole, SOURCE_PIXELS.get(config.dataset, network.pixels),
                             network.image, DECODERS))
    if config.attack != "none":
        stages.append(_poisoning(config, images, network))
    return [*stages, Train(network, config.epochs * images, min(config.batch_size, images),
                           _is_bf16(config)), Evaluate(network, test, config.epochs)]


def _poisoning(config: TrainConfig, images: float, network: Network) -> Poison:
    from ngf_core.attacks.attack import attack_class, changes_from

    attack, poisoned = attack_class(config.attack), config.poison_rate * images
    found = dict(attack.strengths[config.strength])
    with suppress(ConfigError):  # the run itself says what is wrong with its parameters
        found |= changes_from(config.parameters)
    cover = (found.get(attack.cover_of_poisoned, 0) * poisoned
             + found.get(attack.cover_of_all, 0) * images)
    return Poison(images, poisoned, network.image, min(cover, images - poisoned),
                  attack.redrawn_each_epoch)


def _is_bf16(config: TrainConfig) -> bool:
    from ngf_core.device import device
    from ngf_core.training import resolve_precision

    return resolve_precision(config.precision, device()) == "bf16"


def _purification(config: PurifyConfig, made: ModelConfig, network: Network, layers: int,
                  test: float) -> list[Stage]:
    entry = DATASETS[made.dataset]
    clean = config.clean_fraction * entry.training_images(made.limit) / 0.95
    stages: list[Stage] = []
    for own in config.methods:
        # A step size is chosen among four, each tuned with on four fifths of the clean images.
        times = 1 + (4 * 0.8 if own.chooses_step_size else 0)
        stages.append(_tuning(own, config, network, clean, times))
    if AUTO in config.layers.values():
        # The default rule tunes each layer for ten steps on 64 images, and evaluates its answers.
        stages.append(Evaluate(network, 64, 0.46 * layers * 10 * 8))
    return [*stages, Evaluate(network, test, len(config.methods) * (config.evaluations + 1))]


def _tuning(own: MethodSettings, config: PurifyConfig, network: Network, clean: float,
            times: float) -> Stage:
    """Tuning by one method, `times` over: one pass a step on the last layer, else about six."""
    steps = round(times * config.steps)
    whole = Purify(network, clean, config.batch_size, steps)
    if not isinstance(own, LayerSettings) or own.layer != LAST:
        return Evaluate(network, whole.size, 6 * steps)
    return whole if own.method == "ngf" else Evaluate(network, whole.size,
                                                      whole.passes / whole.size)


def _map_passes(config: LayersConfig, layers: int, test: float) -> float:
    """As measured on the mini network: the networks behind its ten layers are together 4.6 of the
    whole, and natural gradient costs about twice what SGD does."""
    batch = min(config.batch_size, 250)
    behind = 0.46 * layers
    kept = behind if config.pool or config.augment == "none" else layers
    tuning = sum(8 if name == "ngf" else 4 for name in config.names) * config.steps * batch
    reference = 3 * config.steps * batch if config.reference != "none" else 0
    return kept * tuning + reference + (behind * len(config.methods) + 1) * test


def _spectrum(config: SpectrumConfig, network: Network) -> Stage:
    """As measured on the mini network: a Lanczos run, short probes, and few samples of a trace
    whose deflated samples spread by a tenth."""
    sampled = min(config.trace_probes, 5 + int((10 / config.trace_error) ** 2))
    products = krylov_steps(config) + 10 * (config.probes - 1) + sampled
    if config.check != "none" and config.operator == "hessian":
        products += 31
    products += SHARPNESS_PRODUCTS[config.sharpness]
    if config.operator == "hessian":  # slices, whose passes are a ninth of a product
        products += SLICE_POINTS * (config.k + config.bottom) // 9
    return Spectrum(network, config.samples, CURVATURE_MODELS * products,
                    krylov_steps(config) + config.k,
                    rebuilt(config.samples, network, bytes_for_graphs(config, network)))


def _landscape(config: LandscapeConfig, network: Network) -> list[Stage]:
    surfaces = sum(CURVATURE_MODELS if plane in ("random", "eigen") else 1
                   for plane in config.planes)
    # A preview of 51 x 51 points computed an eighth to a fifth of them.
    share = 0.17 if config.mode == "preview" else 1.0
    points = share * surfaces * config.grid**2 + 70 * CURVATURE_MODELS
    stages: list[Stage] = [Landscape(network, config.samples, 2 * points)]  # clean, triggered
    if "eigen" in config.planes:
        stages.append(Spectrum(network, config.samples, 20,
                               rebuilt=rebuilt(config.samples, network, config.memory * 1e9)))
    return stages


def bytes_for_graphs(config: SpectrumConfig, network: Network) -> float:
    """What a spectrum of all weights leaves of its memory for graphs."""
    from ngf_core.curvature.spectral.vector_budget import bytes_for_vectors

    memory = config.memory * 1e9
    return memory - bytes_for_vectors(memory, 4 * network.weights, config.k + config.bottom)


def rebuilt(samples: int, network: Network, memory: float) -> float:
    """The share of the samples whose graphs are not among those kept in `memory` bytes: of whole
    chunks, beside which one more can be built (`ngf_core.curvature.operators.chunk_graphs`)."""
    each = Spectrum.GRAPH * network.saved
    size = chunk(samples, network, memory)
    room = memory - size * each
    if samples * each <= room:
        return 0.0
    return 1 - min(samples // size, int(room / (size * each))) * size / samples


def chunk(samples: int, network: Network, memory: float) -> int:
    """The samples of one graph."""
    fit = int(memory / (Spectrum.GRAPH * network.saved))
    return max(1, min(samples, Spectrum.CHUNK, fit))
