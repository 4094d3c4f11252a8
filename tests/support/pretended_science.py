"""What pages ask of the science, answered at once: costs, poisoned images, and starting a job."""

from typing import Any

import numpy as np
import pytest

from app import jobs
from ngf_core.config import Config, TrainConfig
from ngf_core.errors import ConfigError
from ngf_core.execute import cost
from ngf_core.execute.cost import Cost
from ngf_core.runs import Run, RunStore
from ngf_core.runs.resuming import requeue
from ngf_core.trained import poison_preview as preview
from tests.support.faked import faked


def estimate(config: Config, store: RunStore | None = None,
             trained: TrainConfig | None = None, cores: int | None = None,
             runs: Any = None) -> Cost:
    return Cost(38.0, 4.25, "From the pace of an earlier run.", 1540.0)


def poison_preview(config: TrainConfig, count: int) -> dict[str, Any]:
    """Plain images; more than 10 % of poison is refused, as a clean-label attack would."""
    if config.poison_rate > 0.1:
        raise ConfigError("poison_rate", "there are too few images of that class",
                          "Use at most 0.1.")
    clean = np.zeros((count, 3, 4, 4), np.uint8)
    return {"clean": clean, "triggered": clean + 255, "labels": np.arange(count),
            "targets": np.full(count, config.target), "poisoned": 475, "train_images": 4750,
            "class_names": tuple(f"class {i}" for i in range(10)), "learns": ""}


def pretend(patch: pytest.MonkeyPatch, store: RunStore) -> list[Config]:
    """Put these answers in place; the list fills with the configs that pages start.

    A started run is created but stays queued: no worker is launched.
    """
    started: list[Config] = []

    def start(config: Config, browser: str, again: bool = False) -> Run:
        started.append(config)
        return store.create(config)

    def restart(run: Run, browser: str) -> Run:
        return start(run.config, browser)

    def go_on(run: Run, browser: str) -> Run:
        started.append(run.config)
        requeue(run)
        return run

    def cancel(run: Run, browser: str) -> bool:
        # The worker of a fabricated running run is this process: it must not get a signal.
        run.cancel()
        return True

    faked(patch, cost, "estimate", estimate)
    faked(patch, preview, "poison_preview", poison_preview)
    for fake in (start, restart, go_on, cancel):
        faked(patch, jobs, fake.__name__, fake)
    return started
