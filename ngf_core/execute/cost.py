"""What a run will cost: by the scaling model, at the pace of the newest finished run of its kind
that was computed as it will be; where there is no such run, at the pace of one core of the machine
that was measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ngf_core.config import (
    AuditConfig,
    Config,
    ImportConfig,
    LayersConfig,
    ModelConfig,
    PurifyConfig,
    SpectrumConfig,
    TrainConfig,
)
from ngf_core.data import DATASETS
from ngf_core.errors import NGFError
from ngf_core.execute.run_stages import CURVATURE_MODELS, krylov_steps, stages_of
from ngf_core.runs import Run, RunStore, default_store
from ngf_core.runs.cores import threads_here
from ngf_core.runs.lineage import holder_of, training_behind
from ngf_core.runs.manifest import took
from ngf_core.scaling.model import memory as modelled_memory
from ngf_core.scaling.model import seconds as modelled
from ngf_core.scaling.stages import Poison, Stage

if TYPE_CHECKING:
    from ngf_core.scaling.network import Network

START_SECONDS = 4.0
PACE_SECONDS = 5 * START_SECONDS  # in less, how long starting took would decide on the pace
PROCESS_MEGABYTES = 300  # Python and the libraries
COPIES = 4  # of a network, beside the vectors of its curvature
KRYLOV_MEGABYTES = 256
LIKE_IMPORTED, USUAL_CLASSES = "resnet18", 10


@dataclass(frozen=True)
class Cost:
    """Seconds of wall time on `cores` cores, megabytes on disk, and one sentence on what the
    seconds rest on; megabytes of memory by the scaling model."""

    seconds: float
    megabytes: float
    basis: str
    memory: float
    cores: int = 1

    @property
    def core_seconds(self) -> float:
        """Seconds of all its cores together."""
        return self.cores * self.seconds


@dataclass(frozen=True)
class Model:
    """The model behind a run: how it was made, its network, and the layers of it that can be tuned.
    """

    made: ModelConfig
    network: Network
    layers: tuple[str, ...]

    def seconds(self, config: Config) -> float:
        """What a run on it takes on one core of the machine that was measured."""
        return sum(map(modelled, self._stages(config)))

    def memory(self, config: Config) -> float:
        """Megabytes of the stage that takes the most, and of the poisoned images, which stay."""
        stages = self._stages(config)
        stay = sum(modelled_memory(stage) for stage in stages if isinstance(stage, Poison))
        most = stay + max(modelled_memory(stage) for stage in stages
                          if not isinstance(stage, Poison))
        if isinstance(config, SpectrumConfig | AuditConfig):
            most = curvature_memory(most, self.network.weights, config.memory)
        return PROCESS_MEGABYTES + most / 1e6

    def _stages(self, config: Config) -> list[Stage]:
        return stages_of(config, self.made, self.network, len(self.layers))


def estimate(config: Config, store: RunStore | None = None,
             trained: TrainConfig | None = None, cores: int | None = None,
             runs: Iterable[tuple[Run, float]] | None = None) -> Cost:
    """The cost of a run on as many `cores`, by default those of a run that is started here; where
    the source of its config is missing, that of one which is `trained` so, by default a mini
    network's. runs: the `comparable` ones of its kind, where they are known already."""
    store, threads = store or default_store(), cores or threads_here()
    model = _model(config, store, trained)
    work, size, memory = model.seconds(config), _megabytes(config, model), model.memory(config)
    for run, seconds in comparable(store, config.kind, threads) if runs is None else runs:
        like = _model(run.config, store)
        if _alike(like, model, config.kind):
            pace = (seconds - START_SECONDS) / like.seconds(run.config)
            return Cost(START_SECONDS + pace * work, size, f"From the pace of run {run.id}.",
                        memory, threads)
    return Cost(START_SECONDS + work, size, "By the scaling model, on one core: no such run has "
                "finished on this machine yet.", memory)


def comparable(store: RunStore, kind: str, threads: int) -> Iterator[tuple[Run, float]]:
    """Finished runs of that kind whose pace one on as many threads here would keep, with the
    seconds that they took, newest first."""
    for run in store.list(kind):
        seconds = _comparable_seconds(run, threads)
        if seconds is not None:
            yield run, seconds


def curvature_memory(wanted: float, weights: int, gigabytes: float) -> float:
    """Bytes of a spectrum that would take as many as `wanted`: graphs and vectors no more than the
    setting allows, copies of the network besides."""
    return min(wanted, gigabytes * 1e9) + COPIES * 4 * weights


def _megabytes(config: Config, of: Model) -> float:
    model = 4e-6 * of.network.weights
    if isinstance(config, SpectrumConfig):
        # The Krylov basis of each model, from which a later run resumes; a large one is not kept.
        basis = model * (krylov_steps(config) + config.k)
        return 0.3 + (CURVATURE_MODELS * basis if basis < KRYLOV_MEGABYTES else 0)
    if isinstance(config, ModelConfig):
        return model + 0.1
    if isinstance(config, LayersConfig):
        return 0.1
    if isinstance(config, PurifyConfig):
        return model * (1 + 1.6 * len(config.methods)) + 0.2
    return 0.3


def _model(config: Config, store: RunStore, trained: TrainConfig | None = None) -> Model:
    """The model behind the run; where that is unknown, one that is `trained` so, by default a mini
    network's; a network of middle size for one that is yet to be imported."""
    try:
        made = trained or training_behind(config, store)
        if isinstance(made, ImportConfig) and not isinstance(config, ModelConfig):
            return _imported(made, holder_of(store.get(config.source), store).results["came_as"])
    except (NGFError, KeyError):
        made = TrainConfig()
    from ngf_core.models.build import tunable_layer_names

    arch = made.arch if isinstance(made, TrainConfig) else LIKE_IMPORTED
    channels, side = _shape(made)
    return Model(made, _network(arch, made), tunable_layer_names(arch, (channels, side, side)))


def _network(arch: str, made: ModelConfig) -> Network:
    from ngf_core.scaling.network import network_of

    channels, side = _shape(made)
    return network_of(arch, side, DATASETS[made.dataset].classes or USUAL_CLASSES, channels)


def _imported(made: ImportConfig, came_as: Mapping[str, Any]) -> Model:
    """Of a network from elsewhere its multiply-adds are known, and its bytes taken to be to them as
    in one of middle size."""
    like = _network(LIKE_IMPORTED, made)
    share = came_as["multiply_adds"] / like.multiply_adds
    network = replace(like, multiply_adds=came_as["multiply_adds"], written=share * like.written,
                      alive=share * like.alive, saved=share * like.saved,
                      weights=came_as["parameters"])
    return Model(made, network, tuple(came_as["layers"]))


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


def _comparable_seconds(run: Run, threads: int) -> float | None:
    """What a finished run took, where one on as many threads here would keep its pace: it was
    computed by one process of this machine, on a device of the same kind, and took long enough."""
    # One that went on has in its manifest only when its last part began.
    if run.state != "done" or run.shipped or run.manifest["resumed"]:
        return None
    found, seconds = run.manifest, took(run.manifest)
    if seconds is None or seconds <= PACE_SECONDS or found["job"]:
        return None
    from ngf_core.device import device

    kind = (found["device"] or "").partition(":")[0]
    alike = (kind, found["threads"], found["ranks"]) == (device().type, threads, 1)
    return seconds if alike else None
