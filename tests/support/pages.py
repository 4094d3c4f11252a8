"""Stand-ins for what pages ask of the science: costs, poisoned images, and starting a job."""

import sys
import types
from dataclasses import dataclass

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import jobs
from ngf_core.config import Config, TrainConfig
from ngf_core.errors import ConfigError
from ngf_core.runs import Run, RunStore


@dataclass(frozen=True)
class Cost:
    """Like ngf_core.execute.cost.Cost."""

    seconds: float
    megabytes: float
    basis: str


def poison_preview(config: TrainConfig, count: int = 8) -> dict:
    """Plain images; more than 10 % of poison is refused, as a clean-label attack would."""
    if config.poison_rate > 0.1:
        raise ConfigError("poison_rate", "there are too few images of that class",
                          "Use at most 0.1.")
    clean = np.zeros((count, 3, 4, 4), np.uint8)
    return {"clean": clean, "triggered": clean + 255, "labels": np.arange(count),
            "targets": np.full(count, config.target), "poisoned": 475, "train_images": 4750,
            "class_names": [f"class {i}" for i in range(10)], "learns": ""}


def address(app: AppTest, name: str) -> str | None:
    """The page's address parameter, whoever wrote it."""
    value = app.query_params.get(name)
    return value[0] if isinstance(value, list) else value


def text_of(app: AppTest) -> str:
    """All the prose of a page: titles, paragraphs, captions and cards."""
    parts = [*app.title, *app.subheader, *app.markdown, *app.caption, *app.info, *app.success,
             *app.warning, *app.error]
    return " ".join(str(part.value) for part in parts)


def install(monkeypatch: pytest.MonkeyPatch, store: RunStore) -> list[Config]:
    """Put the stand-ins in place; the list fills with the configs that pages start.

    A started run is created but stays queued: no worker is launched.
    """
    cost = types.ModuleType("ngf_core.execute.cost")
    cost.estimate = lambda config, store: Cost(38.0, 4.25, "From the pace of an earlier run.")
    preview = types.ModuleType("ngf_core.trained.poison_preview")
    preview.poison_preview = poison_preview
    monkeypatch.setitem(sys.modules, "ngf_core.execute.cost", cost)
    monkeypatch.setitem(sys.modules, "ngf_core.trained.poison_preview", preview)
    started: list[Config] = []

    def start(config: Config) -> Run:
        started.append(config)
        return store.create(config)

    monkeypatch.setattr(jobs, "start", start)
    monkeypatch.setattr(jobs, "restart", lambda run: start(run.config))
    # The worker of a fabricated running run is this process: it must not get a signal.
    monkeypatch.setattr(jobs, "cancel", lambda run: run.cancel())
    return started
