"""What a race recorded, ready to be shown at any of its steps."""

import math
import os
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app import state
from ngf_core.config import PurifyConfig
from ngf_core.runs import Run
from ngf_core.runs.files import SAMPLES


@dataclass(frozen=True)
class Measured:
    """A rate with the number of images behind it (None where the run did not record it)."""

    value: float
    n: int | None


@dataclass(frozen=True)
class Recording:
    """The points, predictions and sample images of one purify run.

    `points` is the long table of curves; `predictions` maps a method to its (step, predictions)
    in order; `samples` holds clean and triggered uint8 (n, C, H, W) and labels (n,), or nothing.
    """

    methods: tuple[str, ...]
    points: pd.DataFrame
    predictions: Mapping[str, list[tuple[int, dict[str, Any]]]]
    samples: Mapping[str, np.ndarray]

    @cached_property
    def steps(self) -> list[int]:
        """Every step at which some method was evaluated."""
        rated = self.points[self.points["metric"] == "acc"]
        return sorted(int(step) for step in rated["step"].unique())

    @cached_property
    def metrics(self) -> list[str]:
        """Which of the rates were measured: a benign model has no ASR and no RA."""
        measured = set(self.points.dropna(subset="value")["metric"])
        return [name for name in ("asr", "acc", "ra") if name in measured]

    @cached_property
    def has_sharpness(self) -> bool:
        """Whether the run measured λ_max and Tr(F) along the race."""
        return bool((self.points["metric"] == "lambda_max").any())

    @cached_property
    def _measured(self) -> dict[tuple[str, str], list[tuple[int, Measured]]]:
        """(step, value) of each method and metric where there is a value, in the order of steps."""
        known = self.points[self.points["value"].notna()].sort_values("step", kind="stable")
        found: dict[tuple[str, str], list[tuple[int, Measured]]] = {}
        columns = (known[name] for name in ("method", "metric", "step", "value", "n"))
        for method, metric, step, value, n in zip(*columns, strict=True):
            found.setdefault((method, metric), []).append(
                (int(step), Measured(float(value), None if pd.isna(n) else int(n))))
        return found

    def before(self, *metrics: str) -> dict[str, float]:
        """The received model's values, those of step 0, the same for every method; its rates
        where no metric is named."""
        found: dict[str, float] = {}
        for (_, metric), line in self._measured.items():
            if metric in (metrics or self.metrics) and line[0][0] == 0:
                found.setdefault(metric, line[0][1].value)
        return found

    def images_behind(self, metric: str) -> int:
        """How many images are behind a metric; 0 where the run did not record it."""
        counts = self.points[self.points["metric"] == metric]["n"].dropna()
        return int(counts.iloc[0]) if len(counts) else 0

    def measured(self, method: str, metric: str, step: int | None = None) -> Measured | None:
        """The newest value up to a step; None where there is none yet."""
        line = self._measured.get((method, metric), [])
        past = bisect_right(line, math.inf if step is None else step, key=itemgetter(0))
        return line[past - 1][1] if past else None

    def predicted(self, method: str, images: str, step: int | None = None) -> list | None:
        """(label, confidence) of each "clean" or "triggered" sample, newest up to a step."""
        known = [made for at, made in self.predictions.get(method, ())
                 if step is None or at <= step]
        return known[-1].get(images) if known else None

    def received(self, images: str) -> list | None:
        """(label, confidence) of each sample by the model as received."""
        known = (self.predicted(method, images, 0) for method in self.methods)
        return next((made for made in known if made), None)

    def first_right(self, count: int) -> list[int]:
        """The first samples whose clean version the received model gets right, else the first."""
        labels = self.samples["labels"]
        answers = self.received("clean") or []
        right = [at for at, answer in enumerate(answers) if int(answer[0]) == int(labels[at])]
        return (right or list(range(len(labels))))[:count]

    def clearest(self) -> list[int]:
        """The samples that the received model gets right, those of the greatest contrast first."""
        contrast = self.samples["clean"].std(axis=(1, 2, 3))
        return sorted(self.first_right(len(contrast)), key=lambda at: -contrast[at])


def record(run: Run) -> Recording:
    """Read a purify run's recording from disk; works while the run still writes it."""
    predictions: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for event in run.predictions():
        predictions.setdefault(event["method"], []).append((event["step"], event["predictions"]))
    samples = run.arrays(SAMPLES) if run.has(SAMPLES) else {}
    return Recording(run.config_as(PurifyConfig).names, run.points(), predictions, samples)


def recording_of(run: Run) -> Recording:
    """A purify run's recording: read once where the run has ended, each time while it is live."""
    finished = run.manifest["finished"]
    if not finished or run.live:
        return record(run)
    return _finished_recording(run.id, os.environ.get("NGF_RUNS"), finished)


@st.cache_resource(max_entries=32, show_spinner=False)
def _finished_recording(run_id: str, root: str | None, finished: str) -> Recording:
    return record(state.store().get(run_id))
