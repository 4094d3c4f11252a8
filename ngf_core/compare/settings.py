"""In which settings runs differ: their own, those of what they stand on, and of the machine."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ngf_core.config import CONFIGS, Config, ModelConfig, flat
from ngf_core.errors import NGFError
from ngf_core.purify.registry import PURIFIERS
from ngf_core.runs import Run, RunStore
from ngf_core.runs.lineage import training_of

STAGES = {"train": "training", "import": "imported model", "purify": "purification",
          "spectrum": "spectrum", "landscape": "landscape", "layers": "layer map",
          "audit": "audit"}
MACHINE = "computed with"
NONE = "–"
# They name runs and places; what they stand for is compared itself.
_PLACES = ("source", "against", "root", "memory")
_WORDS = {"arch": "network", "lr": "learning rate", "kl": "KL", "sgd": "SGD", "ngf": "NGF",
          "k": "largest eigenvalues", "bottom": "smallest eigenvalues"}


@dataclass(frozen=True)
class Setting:
    """One setting that differs. of: whose it is (training, purification, computed with); meaning:
    what it sets, in a few words; values: one text per run, in their order."""

    of: str
    name: str
    meaning: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Seeds:
    """training: the trained model's seed, of an import "unknown"; own: the seeds of the runs that
    follow, from the run itself backwards."""

    training: str
    own: tuple[int, ...]


def stages(run: Run, store: RunStore) -> list[Config]:
    """The configs of a run, of the purification that it measures, if any, and of the training.

    Raises RunError where a run on the way is missing or corrupt.
    """
    config = run.config
    found = [config]
    if isinstance(config, ModelConfig):
        return found
    if run.kind not in ("purify", "layers"):
        source = store.get(config.source)
        found += [source.config] if source.kind == "purify" else []
    return [*found, training_of(run, store)]


def seeds(run: Run, store: RunStore) -> Seeds:
    """The seeds behind a run. Raises RunError as `stages`."""
    *own, training = stages(run, store)
    known = "unknown" if training.kind == "import" else str(training.seed)
    return Seeds(known, tuple(config.seed for config in own))


def but_seeds(run: Run, store: RunStore) -> tuple[tuple[str, str, str], ...]:
    """All settings but the seeds: equal for runs that repeat one another. Raises RunError as
    `stages`."""
    return tuple((of, name, value) for (of, name), value in _settings(run, store).items()
                 if name != "seed")


def differing(runs: Sequence[Run], store: RunStore) -> list[Setting]:
    """The settings in which the runs differ, then what computed them where that differs.

    A setting that a run does not have is a dash, and does not count as a difference: that of a
    method it did not race, say, or of a training that is not recorded.
    """
    told = [_known(run, store) | _machine(run) for run in runs]
    names = dict.fromkeys(key for of in told for key in of)
    rows = [(key, tuple(of.get(key, NONE) for of in told)) for key in names
            if len({of[key] for of in told if key in of}) > 1]
    return [Setting(of, _words(name), _meaning(of, name), values) for (of, name), values in rows]


def _known(run: Run, store: RunStore) -> dict[tuple[str, str], str]:
    kind = {("run", "kind"): STAGES[run.config.kind]}
    try:
        return kind | _settings(run, store)
    except NGFError:
        return kind | _of(run.config)


def _settings(run: Run, store: RunStore) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for config in stages(run, store):
        found |= _of(config)
    return found


def _of(config: Config) -> dict[tuple[str, str], str]:
    return {(STAGES[config.kind], name): _text(value) for name, value in flat(config).items()
            if name not in _PLACES}


def _machine(run: Run) -> dict[tuple[str, str], str]:
    manifest = run.manifest
    known = {"device": manifest.get("device"), "instructions": manifest.get("instructions"),
             "threads": manifest.get("threads"), "ranks": manifest.get("ranks") or 1,
             "engine": manifest.get("engine")}
    known |= manifest.get("versions") or {}
    return {(MACHINE, name): _text(value) for name, value in known.items()}


def _text(value: Any) -> str:
    if value is None or value == "" or value == ():
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _words(name: str) -> str:
    """The setting "ngf.kl_bound" as "NGF: KL bound"."""
    method, _, own = name.rpartition(".")
    said = " ".join(_WORDS.get(word, word) for word in own.split("_"))
    return f"{PURIFIERS[method].title}: {said}" if method in PURIFIERS else said


def _meaning(of: str, name: str) -> str:
    return next((field.metadata.get("help", "") for field in _fields(of, name)
                 if field.name == name.rpartition(".")[2]), "")


def _fields(of: str, name: str) -> Iterator[dataclasses.Field]:
    method = name.rpartition(".")[0]
    if method in PURIFIERS:
        yield from dataclasses.fields(PURIFIERS[method].settings)
    for kind, stage in STAGES.items():
        if stage == of:
            yield from dataclasses.fields(CONFIGS[kind])
