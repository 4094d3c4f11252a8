"""Where a run that is wanted stands: missing, unfinished, out of date or fine."""

from dataclasses import dataclass

from ngf_core.attacks.attack import attack_class, changes_from
from ngf_core.config import Config, TrainConfig, flat
from ngf_core.errors import RunError
from ngf_core.runs import Run, RunStore
from ngf_core.runs.manifest import CORRUPT, ENGINE

FINE, MISSING, UNFINISHED, OTHER, STALE = "fine", "missing", "unfinished", "other settings", "stale"


@dataclass(frozen=True)
class Standing:
    """The state of the run `run_id`, one of the five above, and why."""

    run_id: str
    state: str
    why: str = ""


def standing(store: RunStore, run_id: str, config: Config) -> Standing:
    """Where the run of that id stands, which `config` asks for.

    unfinished: in any state but done. other settings: done, with another config. stale: done with
    this config, by another engine, with other parameters of the attack than its strength has today,
    or before the run it starts from.
    """
    try:
        run = store.find(run_id)
    except RunError:
        return Standing(run_id, MISSING)
    state, message = run.status()
    if state != "done":
        return Standing(run_id, UNFINISHED, message if state == CORRUPT else f"{state}. {message}")
    if run.config != config:
        return Standing(run_id, OTHER, _changes(run.config, config))
    why = _stale(run, store)
    return Standing(run_id, STALE if why else FINE, why)


def is_current(there: Run) -> bool:
    """Whether the attack's strength still means the parameters that a training run had."""
    config, had = there.config, there.results.get("parameters")
    if not isinstance(config, TrainConfig) or not had:
        return True
    means = attack_class(config.attack).strengths[config.strength]
    return had == means | changes_from(config.parameters)


def _changes(has: Config, wanted: Config) -> str:
    """The settings in which they differ: epochs is 5 and not 20.

    Those of methods that only one of them has are left out: `methods` tells that.
    """
    if has.kind != wanted.kind:
        return f"it is a {has.kind} run and not a {wanted.kind} run"
    old, new = flat(has), flat(wanted)
    return ", ".join(f"{name} is {old[name]} and not {value}" for name, value in new.items()
                     if name in old and old[name] != value)


def _stale(run: Run, store: RunStore) -> str:
    manifest = run.manifest
    if manifest["engine"] != ENGINE:
        return f"made by engine {manifest['engine']}; today's is {ENGINE}"
    if not is_current(run):
        return "the attack's strength has other parameters today"
    if manifest["source"] is None:
        return ""
    try:
        source = store.find(manifest["source"]).manifest
    except RunError:
        return f"{manifest['source']}, from which it starts, is missing"
    return f"older than {source['id']}, from which it starts" \
        if (source["finished"] or "") > manifest["created"] else ""
