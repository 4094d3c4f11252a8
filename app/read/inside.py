"""What is seen inside the models of a run, computed once per run and settings."""

import math
import os
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from app import state
from ngf_core.config import ImportConfig
from ngf_core.data import DATASETS
from ngf_core.inside.settings import Look
from ngf_core.runs import Run
from ngf_core.runs.lineage import model_files, training_of

if TYPE_CHECKING:
    from ngf_core.inside.models import Inside, Saliency
    from ngf_core.trained.load import TrainedModels

# Parameters up to which a look takes seconds on two processor cores.
QUICK = 3_000_000


def runs_foreign_code(run: Run) -> bool:
    """Whether the network of a run's models is built by code of its own: that runs where its owner
    starts it, and not in the dashboard.

    Raises RunError as `training_of`.
    """
    made = training_of(run, state.store())
    return isinstance(made, ImportConfig) and bool(made.builder)


def is_quick(run: Run) -> bool:
    """Whether a look inside the models of a run takes seconds: its images come with the program,
    and its network is small. Raises RunError as `training_of` and `Run.shapes`."""
    data = training_of(run, state.store()).dataset
    shapes = run.shapes(next(iter(model_files(run).values())))
    return (data in DATASETS and DATASETS[data].embedded
            and sum(map(math.prod, shapes.values())) <= QUICK)


def inside_of(run: Run, look: Look) -> "Inside":
    """`look_inside` the models of a finished run."""
    return _inside(run.id, os.environ.get("NGF_RUNS"), run.manifest["finished"], look)


@st.cache_data(max_entries=24, show_spinner="Showing the images to the models")
def _inside(run_id: str, root: str | None, finished: str, look: Look) -> "Inside":
    from ngf_core.inside.models import look_inside

    return look_inside(_own(run_id), look)


def saliency_of(run: Run, look: Look) -> "Saliency | None":
    """`salient` of the models of a finished run; the layer of `look` does not matter."""
    return _saliency(run.id, os.environ.get("NGF_RUNS"), run.manifest["finished"], look.images,
                     look.seed)


@st.cache_data(max_entries=24, show_spinner="Asking what the attacker's label rests on")
def _saliency(run_id: str, root: str | None, finished: str, images: int, seed: int
              ) -> "Saliency | None":
    from ngf_core.inside.models import salient

    return salient(_own(run_id), Look(images, seed))


def _own(run_id: str) -> "TrainedModels":
    """The models of a run, for one look alone: a look hooks into the layers, and would see what
    another one, in another session, shows to the same model."""
    from ngf_core.trained.load import load_trained

    return load_trained(run_id, state.store())


def embedding_of(features: np.ndarray, method: str) -> np.ndarray:
    """Features placed by one of `EMBEDDINGS`, (n, 2). Raises what that raises."""
    return _embedding(features, method)


@st.cache_data(max_entries=48,
               show_spinner="Placing the images (UMAP first compiles for some seconds)")
def _embedding(features: np.ndarray, method: str) -> np.ndarray:
    from ngf_core.inside.projection import EMBEDDINGS

    return EMBEDDINGS[method](features)
