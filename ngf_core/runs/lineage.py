"""The training and the received model behind a run, and the files of its models.

A training run holds the model it trained; a purification holds the one it received, and how that
was trained, so that its source may be deleted; a layer map holds only the latter. For all other
kinds the source is read.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ngf_core.config import Config, ModelConfig, from_json
from ngf_core.errors import ConfigError, RunError
from ngf_core.evaluate.rates import Evaluation
from ngf_core.options import either
from ngf_core.runs.files import MODEL_KINDS, RECEIVED, model_entry, model_file
from ngf_core.runs.manifest import CORRUPT
from ngf_core.runs.run import Run
from ngf_core.runs.store import SOURCES, RunStore
from ngf_core.runs.tensors import tensors_sha

Manifest = Mapping[str, Any]


def training_of(run: Run, store: RunStore) -> ModelConfig:
    """How the model behind a run of any kind was made: trained here, or taken in.

    Raises RunError where a run on the way to the training is missing or corrupt, and where its
    results or its source are not such as a run of its kind can have.
    """
    return training_in(run.manifest, lambda source: store.find(source).manifest)


def training_behind(config: Config, store: RunStore) -> ModelConfig:
    """The same for a run that does not exist yet. Raises RunError as `training_of`."""
    if isinstance(config, ModelConfig):
        return config
    return training_of(store.get(config.source), store)


def training_in(manifest: Manifest, find: Callable[[str], Manifest]) -> ModelConfig:
    """`training_of` for manifests already read; `find` returns those of other runs by id.

    Raises RunError as `training_of`, and what `find` raises.
    """
    made = recorded_training(manifest)
    return training_in(_source(manifest, find), find) if made is None else made


def recorded_training(manifest: Manifest) -> ModelConfig | None:
    """`training_of` as far as the run itself records it; None where only its source does.

    Raises RunError where the run is corrupt, and where its record is no training.
    """
    _check_readable(manifest)
    if manifest["kind"] in MODEL_KINDS:
        return _trained_as(manifest, manifest["config"])
    if "train_config" in manifest["results"]:
        return _trained_as(manifest, manifest["results"]["train_config"])
    return None


def holder_of(run: Run, store: RunStore) -> Run:
    """The run, this one included, that holds the received model behind `run`.

    Raises RunError where it, or a run on the way to it, is missing or corrupt.
    """
    manifest = run.manifest
    _check_readable(manifest)
    if manifest["kind"] in MODEL_KINDS or (manifest["kind"] == "purify"
                                       and RECEIVED in manifest["results"]):
        return run
    _source(manifest, lambda source: store.find(source).manifest)
    return holder_of(store.get(manifest["config"]["source"]), store)


def with_sources(runs: Iterable[Run], store: RunStore) -> list[Run]:
    """The runs and all that they stand on, each once and after its sources.

    Raises RunError where one of them is missing or corrupt, or stands on itself.
    """
    found: dict[str, Run] = {}

    def add(run: Run, above: tuple[str, ...] = ()) -> None:
        if run.id in above:
            raise RunError(f"Run {run.id} stands on itself, which no run made here does. Delete "
                           "it.")
        for name in sources_of(store.get(run.id).config):
            if name not in found:
                add(store.get(name), (*above, run.id))
        found.setdefault(run.id, run)

    for run in runs:
        add(run)
    return list(found.values())


def sources_of(config: Config) -> tuple[str, ...]:
    """The ids of the runs that a run of these settings stands on: none, one, or an audit's two."""
    return tuple(filter(None, (getattr(config, "source", ""), getattr(config, "against", ""))))


def received_rates(run: Run, store: RunStore) -> Evaluation | None:
    """The rates of the received model behind a run; None where its training is not finished.

    Raises RunError as `holder_of`, and where the results hold no rates.
    """
    holder = holder_of(run, store).manifest
    entry = holder["results"].get(model_entry(holder["kind"], RECEIVED))
    return None if entry is None else Evaluation.from_json(entry)


def model_files(run: Run) -> dict[str, str]:
    """The models that a run holds, "before" first, by name, with their files (without suffix).

    Raises RunError for a run that holds none: a measurement, and a purification before its end.
    """
    manifest = run.manifest
    _check_readable(manifest)
    kind, results = manifest["kind"], manifest["results"]
    if kind in MODEL_KINDS:
        names = [RECEIVED]
    elif kind != "purify":
        raise RunError(f"Run {run.id} is a {kind} run and holds no model. "
                       "Name a train or purify run.")
    elif RECEIVED not in results:
        raise RunError(f"Run {run.id} is {run.state} and holds no purified model. Wait until it is "
                       "done, or name another run.")
    else:
        names = [RECEIVED, *(method for method in manifest["config"]["methods"]
                             if method in results)]
    return {name: model_file(kind, name) for name in names}


def weights_sha(run: Run, model: str) -> str:
    """`tensors_sha` of one of the models that a run holds, as it is loaded: the same for equal
    weights, however their file stores them.

    Raises RunError as `Run.tensors`.
    """
    return tensors_sha(run.tensors(model_file(run.kind, model)))


def _check_readable(manifest: Manifest) -> None:
    if manifest["state"] == CORRUPT:
        raise RunError(manifest["message"])


def _trained_as(manifest: Manifest, values: Any) -> ModelConfig:
    try:
        if not isinstance(values, Mapping):
            raise TypeError(f"train_config is {values!r} and not a mapping of settings")
        config = from_json({"kind": "train", **values})  # runs of before imports have no kind
        if not isinstance(config, ModelConfig):
            raise TypeError(f"train_config is of the kind {config.kind}")
        return config
    except (ConfigError, TypeError) as error:
        raise RunError(f"Run {manifest['id']} does not record how its model was trained ({error}). "
                       "Start it again from the trained model and name the new run.") from None


def _source(manifest: Manifest, find: Callable[[str], Manifest]) -> Manifest:
    source, fitting = find(manifest["config"]["source"]), SOURCES[manifest["kind"]]
    _check_readable(source)
    if source["kind"] not in fitting:
        raise RunError(f"Run {manifest['id']} names {source['id']} as its source, which is a "
                       f"{source['kind']} run; a {manifest['kind']} run needs a "
                       f"{either(fitting)} run. Delete it and start it again.")
    return source
