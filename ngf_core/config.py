"""What a run is asked to do: one frozen dataclass per kind of run, JSON both ways, hashed.

Every field carries its own help text and bounds, so that the command line, the pages and the
validation all read one description.
"""

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any, ClassVar

from ngf_core.attacks import ATTACKS
from ngf_core.data import AUGMENTATIONS, DATASETS
from ngf_core.errors import ConfigError
from ngf_core.fisher import FISHERS
from ngf_core.models import ARCHITECTURES
from ngf_core.purify import PURIFIERS


def option(default: Any, help: str, low: float | None = None, high: float | None = None,
           choices: tuple | None = None) -> Any:
    """A dataclass field with its help text and its closed bounds or allowed values."""
    metadata = {"help": help, "low": low, "high": high, "choices": choices}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class TrainConfig:
    """Train one model, benign (attack `none`) or backdoored."""

    kind: ClassVar[str] = "train"

    dataset: str = option("signs", "data set", choices=tuple(DATASETS))
    arch: str = option("mini_preact_resnet", "architecture",
                       choices=tuple(ARCHITECTURES))
    attack: str = option("badnets", "attack, or none for a benign model",
                         choices=("none", *ATTACKS))
    strength: str = option("default", "the attack's trigger: 'published' values, or 'default', "
                           "which departs from them only where an attack needs it at 32x32",
                           choices=("default", "published"))
    parameters: str = option("", "changes to the strength's parameters, as alpha=0.5,k=3")
    poison_rate: float = option(0.08, "poisoned share of all training images (clean-label attacks: "
                                "at most the target class)", 0.001, 0.5)
    target: int = option(0, "label the attacker wants (all-to-all attacks ignore it)", 0, 999)
    epochs: int = option(20, "passes over the training images", 1, 500)
    batch_size: int = option(128, "images per training step", 8, 1024)
    lr: float = option(0.1, "peak learning rate (SGD, Nesterov momentum 0.9, one cycle)", 1e-5, 2.0)
    weight_decay: float = option(5e-4, "weight decay", 0.0, 0.1)
    precision: str = option("auto", "arithmetic of training: auto is bf16 where the processor has "
                            "matrix units for it", choices=("auto", "float32", "bf16"))
    seed: int = option(0, "seed of weights, poisoning and batches", 0, 2**31 - 1)
    root: str = option("", "folder that holds the data set's files; empty is NGF_DATA or ./data")
    limit: int = option(0, "training images of each class; 0 is all", 0, 10**7)
    size: int = option(0, "side of the images in pixels, from 8; 0 is the data set's own", 0, 1024)
    weights: str = option("", "file of torchvision's ImageNet weights to start from; empty is a "
                          "random start")


@dataclass(frozen=True)
class PurifyConfig:
    """Purify one trained model with one or more methods, on equal clean data and budget."""

    kind: ClassVar[str] = "purify"

    source: str = option("", "id of the training run whose model is purified")
    methods: tuple[str, ...] = option(("ngf", "sgd"), "methods that race",
                                      choices=tuple(PURIFIERS))
    layer: str = option("blocks.2.conv1", "what NGF and SGD tune: a convolution or linear layer, a "
                        "block (blocks.2, not the BatchNorm in it), all, several of these with "
                        "commas between, or auto (chosen by rule on the clean images)")
    steps: int = option(100, "updates each method may make, counted in passes forward and back "
                        "over a clean batch", 1, 5000)
    seconds: float = option(0.0, "tuning seconds each method may take; 0 means no limit",
                            0.0, 86400.0)
    clean_fraction: float = option(0.05, "the defender's clean images as a share of train + clean",
                                   0.01, 0.05)
    clean_balance: str = option("drawn", "the clean images' classes: drawn as they come, or "
                                "balanced (as many of each as there are)",
                                choices=("drawn", "balanced"))
    augment: str = option("strong", "augmentation of the clean images: none, crop (as published), "
                          "strong (crop, random erasing, noise)", choices=AUGMENTATIONS)
    pool: int = option(0, "augmented copies of the clean images that all steps draw from, so that "
                       "what a tuned layer sees is computed once; 0 draws anew at every step",
                       0, 1000)
    batchnorm: str = option("recalibrated", "BatchNorm statistics: frozen as received, or "
                            "recalibrated once on the clean batches before tuning",
                            choices=("frozen", "recalibrated"))
    batch_size: int = option(256, "clean images per step (capped at the clean set)", 2, 4096)
    fisher: str = option("true", "Fisher of NGF: true (the model's own labels), empirical (the "
                         "given labels), kfac (its Kronecker factors), diagonal", choices=FISHERS)
    damping: float = option(0.1, "relative damping of NGF: lambda = damping * tr(K) / rows of K",
                            1e-8, 10.0)
    kl_bound: float = option(0.3, "first KL bound of an NGF step, decays to 0 along a cosine",
                             1e-6, 100.0)
    regulariser: float = option(0.1, "eta of the Fisher-weighted pull to the received weights",
                                0.0, 1e4)
    lr: float = option(0.01, "learning rate of sgd on the tuned layer (momentum 0.9, cosine)",
                       1e-6, 10.0)
    finetune_lr: float = option(0.003, "learning rate of finetune on all layers (momentum 0.9, "
                                "cosine)", 1e-6, 10.0)
    step_size: str = option("given", "kl_bound of NGF, lr of SGD and finetune_lr of the others: "
                            "given, or chosen among four by the loss on a held-out fifth of the "
                            "clean images (costs four tunings)", choices=("given", "chosen"))
    parameters: str = option("", "changes to the methods' own parameters, as "
                             "anp.eps=0.3,ft_sam.rho=1; on the command line, help lists them")
    evaluations: int = option(20, "how often the models are evaluated on the way", 1, 1000)
    sharpness: str = option("on", "lambda_max and Tr(F) of the tuned models along the race, on 50 "
                            "clean images of the defender's; slows it by at most a quarter",
                            choices=("on", "off"))
    seed: int = option(0, "seed of batches, augmentation and sampled labels", 0, 2**31 - 1)


@dataclass(frozen=True)
class SpectrumConfig:
    """Curvature and Fisher spectra of every model of a run, on the same held-out clean images."""

    kind: ClassVar[str] = "spectrum"

    source: str = option("", "id of a training or purification run")
    samples: int = option(150, "held-out clean images", 10, 100000)
    operator: str = option("hessian", "matrix: hessian, ggn (Gauss-Newton), fisher (the model's "
                           "own labels) or empirical (Fisher at the given labels)",
                           choices=("hessian", "ggn", "fisher", "empirical"))
    parameters: str = option("all", "parameters it is taken in: all, or the tuned layer's",
                             choices=("all", "layer"))
    k: int = option(5, "largest eigenvalues", 1, 50)
    bottom: int = option(1, "smallest eigenvalues", 0, 20)
    steps: int = option(20, "most Lanczos steps of a density probe, which ends when its density "
                        "has settled", 5, 500)
    probes: int = option(3, "probes of the spectral density", 3, 50)
    trace_error: float = option(5.0, "wanted standard error of the trace, in % of it", 0.1, 50.0)
    trace_probes: int = option(15, "most probes of the trace", 2, 2000)
    memory: float = option(2.5, "memory for graphs and vectors, in GB; the process takes about 1 "
                           "more", 0.1, 1000.0)
    check: str = option("pyhessian", "second opinion on a Hessian's largest eigenvalue and trace: "
                        "pyhessian (31 more products) or none", choices=("pyhessian", "none"))
    sharpness: str = option("cheap", "sharpness measures of the Hessian: cheap (all that cost "
                            "less than about twenty products), all (relative flatness and SAM in "
                            "several steps too) or none", choices=("cheap", "all", "none"))
    seed: int = option(0, "seed of the probes and of the sample", 0, 2**31 - 1)


@dataclass(frozen=True)
class LandscapeConfig:
    """Loss over planes around and between the models of a run, along lines and along paths."""

    kind: ClassVar[str] = "landscape"

    source: str = option("", "id of a training or purification run")
    planes: tuple[str, ...] = option(
        ("random", "models"), "planes: random (filter-normalised), eigen (the two leading Hessian "
        "eigenvectors), path (principal components of the tuning paths), models (through three)",
        choices=("random", "eigen", "path", "models"))
    samples: int = option(150, "held-out images for each loss (clean, triggered)", 10, 100000)
    grid: int = option(13, "points along each side of a plane", 3, 101)
    mode: str = option("exact", "exact computes every point; preview computes some, interpolates "
                       "the rest and states the error it found", choices=("exact", "preview"))
    bound: float = option(0.02, "held-out relative error at which a preview is good enough",
                          0.001, 1.0)
    span: float = option(0.75, "half width of the random plane, in filter-normalised units; of the "
                         "eigen plane, twice this in distances of one nat", 0.01, 5.0)
    vectors: str = option("still", "biases and BatchNorm's weights in random directions: still, or "
                          "scaled to the norm of each", choices=("still", "scaled"))
    memory: float = option(1.0, "GB that intermediate results may take", 0.05, 1024.0)
    seed: int = option(0, "seed of the directions and of the sample", 0, 2**31 - 1)


def _as_purify(name: str) -> Any:
    """The field of that name as a purification has it."""
    field = PurifyConfig.__dataclass_fields__[name]
    return dataclasses.field(default=field.default, metadata=field.metadata)


@dataclass(frozen=True)
class LayersConfig:
    """Tune each layer of a trained model in turn, and ask rules that see clean data which to take.

    Fields that a purification has too mean the same there.
    """

    kind: ClassVar[str] = "layers"

    source: str = option("", "id of the training run whose layers are tuned")
    methods: tuple[str, ...] = option(("ngf", "sgd"), "methods that tune each layer",
                                      choices=tuple(name for name, entry in PURIFIERS.items()
                                                    if entry.tunes == "layer"))
    steps: int = option(40, "updates of each method at each layer", 1, 5000)
    pool: int = option(8, PurifyConfig.__dataclass_fields__["pool"].metadata["help"], 0, 1000)
    clean_fraction: float = _as_purify("clean_fraction")
    clean_balance: str = _as_purify("clean_balance")
    augment: str = _as_purify("augment")
    batchnorm: str = _as_purify("batchnorm")
    batch_size: int = option(128, "clean images per step (capped at the clean set)", 2, 4096)
    fisher: str = _as_purify("fisher")
    damping: float = _as_purify("damping")
    kl_bound: float = _as_purify("kl_bound")
    regulariser: float = _as_purify("regulariser")
    lr: float = _as_purify("lr")
    finetune_lr: float = _as_purify("finetune_lr")
    parameters: str = _as_purify("parameters")
    reference: str = option("finetune", "what the map's cost is compared with: finetune (full "
                            "fine-tuning of as many passes) or none", choices=("finetune", "none"))
    seed: int = _as_purify("seed")

    def purify(self) -> PurifyConfig:
        """The purification that is made at each layer, without the layer."""
        shared = {f.name for f in dataclasses.fields(self)} & set(PurifyConfig.__dataclass_fields__)
        return PurifyConfig(**{name: getattr(self, name) for name in shared})


CONFIGS = {c.kind: c for c in (TrainConfig, PurifyConfig, SpectrumConfig, LandscapeConfig,
                               LayersConfig)}
Config = TrainConfig | PurifyConfig | SpectrumConfig | LandscapeConfig | LayersConfig


def validate(config: Config) -> None:
    """Raise ConfigError for the first field whose type, bounds or value is wrong."""
    for field in dataclasses.fields(config):
        value, meta = getattr(config, field.name), field.metadata
        if field.type in (int, float):
            _check_number(field.name, value, field.type, meta)
        elif field.type is str:
            if not isinstance(value, str):
                raise ConfigError(field.name, f"{value!r} is not a text", "Write it in quotes.")
            _check_choice(field.name, value, meta["choices"])
        else:
            if not isinstance(value, tuple) or not value:
                raise ConfigError(field.name, f"{value!r} is empty or no list",
                                  f"Name at least one of {_listed(meta['choices'])}.")
            for item in value:
                _check_choice(field.name, item, meta["choices"])
            if len(set(value)) < len(value):
                raise ConfigError(field.name, f"{', '.join(value)} names something twice",
                                  "Name each once.")
    if getattr(config, "source", None) == "":
        raise ConfigError("source", "no run is named",
                          "Give the id of a finished run; `python -m ngf_core runs` lists them.")


def _check_number(name: str, value: Any, kind: type, meta: Any) -> None:
    low, high = meta["low"], meta["high"]
    allowed = (int,) if kind is int else (int, float)
    is_number = isinstance(value, allowed) and not isinstance(value, bool)
    if not is_number or (isinstance(value, float) and not math.isfinite(value)):
        noun = "a whole number" if kind is int else "a finite number"
        raise ConfigError(name, f"{value!r} is not {noun}", f"Use a number from {low} to {high}.")
    if not low <= value <= high:
        raise ConfigError(name, f"{value} is out of range", f"Use a number from {low} to {high}.")


def _check_choice(name: str, value: str, choices: tuple | None) -> None:
    if choices is not None and value not in choices:
        raise ConfigError(name, f"{value!r} is unknown", f"Choose one of {_listed(choices)}.")


def _listed(names: tuple) -> str:
    return ", ".join(names)


def to_json(config: Config) -> dict[str, Any]:
    """The config as plain JSON values, with its kind."""
    values: dict[str, Any] = {"kind": config.kind}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if isinstance(value, tuple):
            value = list(value)
        elif field.type is float:
            value = float(value)  # 1 and 1.0 are one config, so they must have one hash
        values[field.name] = value
    return values


def from_json(values: dict[str, Any]) -> Config:
    """The config that `to_json` wrote, validated.

    Raises ConfigError for an unknown kind, an unknown field or a bad value.
    """
    values = dict(values)
    kind = values.pop("kind", None)
    if kind not in CONFIGS:
        raise ConfigError("kind", f"{kind!r} is unknown",
                          f"Choose one of {_listed(tuple(CONFIGS))}.")
    cls = CONFIGS[kind]
    types = {f.name: f.type for f in dataclasses.fields(cls)}
    for name in values:
        if name not in types:
            raise ConfigError(name, f"a {kind} run has no such setting",
                              f"It has {_listed(tuple(types))}.")
    for name, value in values.items():
        if isinstance(value, list):
            values[name] = tuple(value)
    config = cls(**values)
    validate(config)
    return config


def config_sha(config: Config, without_seed: bool = False) -> str:
    """SHA-256 of the canonical JSON; without the seed it names the group of replicates."""
    values = to_json(config)
    if without_seed:
        values.pop("seed")
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
