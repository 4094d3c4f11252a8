"""What the Attacks page shows, computed once per setting, and the answers of the models."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from app import state
from ngf_core.config import ModelConfig, TrainConfig, config_sha
from ngf_core.runs import Run
from ngf_core.runs.lineage import recorded_training

if TYPE_CHECKING:
    from ngf_core.trained.gallery import Answers, Gallery
    from ngf_core.trained.load import TrainedModels

IN_HAND = "in hand"
NAMES = {"backdoored": "Backdoored", "benign": "Benign", IN_HAND: "Model in hand"}


@dataclass(frozen=True)
class Show:
    """A config whose images, target label and seed are those of the runs shown with it."""

    config: TrainConfig
    runs: Mapping[str, Run]

    @property
    def backdoored(self) -> Run | None:
        """The run of this attack, which holds what the attack has learned."""
        return self.runs.get("backdoored")

    @property
    def trained(self) -> ModelConfig | None:
        """How the backdoored model was made."""
        return recorded_training(self.backdoored.manifest) if self.backdoored else None

    @property
    def id(self) -> str:
        """A short text that names everything the show depends on."""
        runs = ",".join(f"{name}={run.id}" for name, run in self.runs.items())
        return f"{config_sha(self.config)},{runs},{os.environ.get('NGF_RUNS')}"


def show_of(config: TrainConfig, held: Run | None = None) -> Show:
    """The show of an attack, from the runs in the store now.

    The model that `held` holds is the backdoored or the benign one, where it is such a model of
    this attack's images; otherwise it answers beside them, where the images fit it.
    """
    from ngf_core.trained.gallery import as_trained, find_models

    if held is not None and held.state != "done":
        held = None
    found = find_models(config, state.store(), held)
    runs = {"backdoored": found.backdoored, "benign": found.benign}
    shown = as_trained(config, found.backdoored)
    if held is not None and held not in runs.values() and _fits(held, shown):
        runs[IN_HAND] = held
    return Show(shown, {name: run for name, run in runs.items() if run is not None})


def _fits(held: Run, shown: TrainConfig) -> bool:
    made = recorded_training(held.manifest)
    return made is not None and (made.dataset, made.root, made.size) == (
        shown.dataset, shown.root, shown.size)


def gallery_of(show: Show) -> "Gallery":
    """The images of a show."""
    return _gallery(show.id, show)


@st.cache_data(max_entries=128, show_spinner="Making the images")
def _gallery(show_id: str, _show: Show) -> "Gallery":
    from ngf_core.trained.gallery import gallery

    return gallery(_show.config, _show.backdoored)


def answers_of(show: Show, gallery: "Gallery") -> "dict[str, dict[str, Answers]]":
    """The models' answers to the "clean" and, where there are any, "triggered" images of a show.

    Empty where there is no model. Raises RunError where one cannot be read.
    """
    versions = {"clean": gallery.clean, "triggered": gallery.triggered}
    return {version: ask_models(show, images)
            for version, images in versions.items() if show.runs and images is not None}


@st.cache_data(max_entries=256, show_spinner=False)
def _answers(run_id: str, root: str | None, digest: str, _images: np.ndarray) -> "Answers":
    # Keyed by the digest of the images: the clean ones stay the same while a slider moves.
    from ngf_core.trained.gallery import ask

    return ask(_source(run_id, root).models["before"], _images)


def ask_models(show: Show, images: np.ndarray) -> "dict[str, Answers]":
    """The answers to any images, by model."""
    root, digest = os.environ.get("NGF_RUNS"), hashlib.sha256(images.tobytes()).hexdigest()
    return {name: _answers(run.id, root, digest, images) for name, run in show.runs.items()}


@st.cache_resource(max_entries=4, show_spinner="Loading a model")
def _source(run_id: str, root: str | None) -> "TrainedModels":
    from ngf_core.trained.load import load_trained

    return load_trained(run_id, state.store())
