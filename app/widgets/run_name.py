"""Short names of runs, as people tell them apart."""

from datetime import datetime

from app.theme import style
from ngf_core.config import TrainConfig
from ngf_core.errors import NGFError
from ngf_core.runs import Run, RunStore

DATASETS = {"signs": "Signs", "digits": "Digits"}
ATTACKS = {"none": "benign", "badnets": "BadNets", "blend": "Blend", "sig": "SIG",
           "wanet": "WaNet"}


def trained_as(run: Run, store: RunStore) -> TrainConfig | None:
    """How the model at the root of a run's sources was trained; None where the chain is broken.

    A finished purify run says so itself, so the training run may be gone.
    """
    try:
        while run.config.kind != "train":
            if "train_config" in run.results:
                return TrainConfig(**run.results["train_config"])
            run = store.get(run.config.source)
        return run.config
    except (NGFError, TypeError):
        return None


def attack_name(attack: str) -> str:
    """An attack's name as its paper writes it."""
    return ATTACKS.get(attack, attack)


def run_name(run: Run, store: RunStore) -> str:
    """One line that tells a run from the others, e.g. "Signs, BadNets: NGF, SGD on
    blocks.2.conv1 (22 Nov 14:03, 1f3a)".

    It never changes while a run lives: Streamlit knows a select box's choice by its label.
    """
    model = trained_as(run, store)
    about = (f"{DATASETS.get(model.dataset, model.dataset)}, {attack_name(model.attack)}"
             if model else "source missing")
    config = run.config
    if config.kind == "train":
        about += f", seed {config.seed}"
    elif config.kind == "purify":
        methods = ", ".join(style(m).label for m in config.methods)
        about += f": {methods} on {config.layer}"
    shipped = "shipped, " if run.shipped else ""
    return f"{about} ({shipped}{_when(run)}, {run.id[-4:]})"


def _when(run: Run) -> str:
    created = datetime.fromisoformat(run.manifest["created"])
    return created.strftime("%-d %b %H:%M")
