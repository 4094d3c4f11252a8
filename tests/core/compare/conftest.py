"""A store of fabricated runs, and how their manifests are changed."""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ngf_core.runs import Run, RunStore
from ngf_core.runs.manifest import change_manifest
from tests.support.fabricated_runs import make_run


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setattr("os.fsync", lambda _: None)  # nothing here has to survive a power cut
    return RunStore(tmp_path)


@pytest.fixture
def trained(store: RunStore) -> Callable[..., Run]:
    """trained(seed=1, acc=(90, 100)): a training with that ACC, ASR or RA, as (hits, n) or None."""

    def make(seed: int = 0, acc: tuple[int, int] = (900, 1000),
             asr: tuple[int, int] | None = (450, 900), ra: tuple[int, int] | None = (100, 900),
             **fields: Any) -> Run:
        run = make_run(store, "train", seed=seed, **fields)
        rates = {name: None if of is None else {"hits": of[0], "n": of[1]}
                 for name, of in (("acc", acc), ("asr", asr), ("ra", ra))}
        change_manifest(run.path, results=run.results | {"train": rates})
        return run

    return make


def told(run: Run, changes: Mapping[str, Any]) -> Run:
    """Change numbers deep in a run's results: {"before.lambda_max": 3.0}."""
    results = copy.deepcopy(run.results)
    for path, value in changes.items():
        *way, last = path.split(".")
        inner = results
        for name in way:
            inner = inner[name]
        inner[last] = value
    change_manifest(run.path, results=results)
    return run
