"""Short names of runs for the screen."""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime

from app.theme import style
from app.widgets.controls.layer_choice import layer_title
from ngf_core.attacks import EVERY_ATTACK
from ngf_core.config import ImportConfig, ModelConfig, PurifyConfig, TrainConfig
from ngf_core.config.imported import GIVEN, UNKNOWN
from ngf_core.data import DATASETS
from ngf_core.errors import NGFError
from ngf_core.models import ARCHITECTURES
from ngf_core.registry import Entry
from ngf_core.runs import Run, RunStore
from ngf_core.runs.lineage import training_of


def titles(registry: Mapping[str, Entry]) -> dict[str, str]:
    """The names of a registry with their titles, as options of a control."""
    return {name: entry.title for name, entry in registry.items()}


def dataset_name(dataset: str) -> str:
    """A data set's name on screen; an unregistered one keeps its own."""
    return titles(DATASETS).get(dataset, dataset)


def attack_name(attack: str) -> str:
    """An attack's name as its paper writes it; "benign" where there is none."""
    return ({"none": "benign", UNKNOWN: "attack unknown", GIVEN: "given triggered images"}
            | titles(EVERY_ATTACK)).get(attack, attack)


def brief(parameters: str) -> str:
    """Changed parameters of an attack on screen: of a picture's text six letters that only equal
    pictures share. Its first letters are its size and colours, and many begin alike."""
    return re.sub(r"picture=([^,]+)", lambda found: "picture "
                  + hashlib.sha256(found[1].encode()).hexdigest()[:6], parameters)


def trained_as(run: Run, store: RunStore) -> ModelConfig | None:
    """How the model at the root of a run's sources was trained; None where the chain is broken.

    A finished purify run records it, so the training run may be deleted.
    """
    try:
        return training_of(run, store)
    except NGFError:
        return None


def methods_on_layers(config: PurifyConfig) -> str:
    """Methods with the layer they tune, where they tune one: "NGF, SGD on the last layer;
    Fine-tuning"."""
    tuned: dict[str, list[str]] = {}
    for name in config.names:
        layer = config.layers.get(name)
        where = "" if layer is None else f" on {layer_title(layer)}"
        tuned.setdefault(where, []).append(style(name).label)
    return "; ".join(", ".join(names) + where for where, names in tuned.items())


def run_name(run: Run, store: RunStore) -> str:
    """One line that distinguishes a run from the others, e.g. "Signs, BadNets: NGF, SGD on
    blocks.2.conv1 (22 Nov 14:03, 1f3a)".

    It never changes while a run is live: Streamlit identifies a select box's choice by its label.
    """
    model = trained_as(run, store)
    about = (f"{dataset_name(model.dataset)}, {attack_name(model.attack)}"
             if model else "source missing")
    config = run.config
    if isinstance(config, TrainConfig):
        about += f", seed {config.seed}"
    elif isinstance(config, ImportConfig):
        about += f", imported {config.file}"
    elif isinstance(config, PurifyConfig):
        about += f": {methods_on_layers(config)}"
    which = f"shipped as {run.id}" if run.shipped else f"{_when(run)}, {run.id[-4:]}"
    return f"{about} ({which})"


def model_name(run: Run, store: RunStore) -> str:
    """One line that distinguishes the model that a run holds from the others, e.g. "Signs,
    BadNets, seed 0 (shipped)", short enough for a phone. It never changes, like `run_name`.
    """
    model = trained_as(run, store)
    if model is None:
        return run_name(run, store)
    about = [dataset_name(model.dataset), attack_name(model.attack)]
    if isinstance(model, TrainConfig):
        about.append(f"seed {model.seed}")
    elif isinstance(model, ImportConfig):
        about.append(f"imported {model.file}")
    return f"{', '.join(about)} ({'shipped' if run.shipped else f'{_when(run)}, {run.id[-4:]}'})"


def network_name(run: Run, store: RunStore) -> str:
    """The network of the model that a run holds, on screen; "" where it was not trained here."""
    model = trained_as(run, store)
    return titles(ARCHITECTURES).get(model.arch, model.arch) if isinstance(model, TrainConfig) \
        else ""


def _when(run: Run) -> str:
    created = datetime.fromisoformat(run.manifest["created"])
    return created.strftime("%-d %b %H:%M")
