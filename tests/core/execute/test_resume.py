"""Runs of every kind, killed on the way and resumed: they end as if nothing had happened."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ngf_core.attacks.attack import attack_class
from ngf_core.config import Config, LandscapeConfig, LayersConfig, SpectrumConfig
from ngf_core.execute import purify, spectrum, train, worker
from ngf_core.landscape import Evaluator
from ngf_core.layers import choose as auto
from ngf_core.layers import sweep
from ngf_core.purify import NGF, SGD
from ngf_core.runs import Run, RunStore, RunWriter
from ngf_core.runs.resuming import requeue
from ngf_core.training import Epoch
from tests.support.small_attacks import hurried
from tests.support.tiny_runs import made, purify_config, train_config

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forked and killed")

# What depends on the clock, or on how often a run was started.
TIMES = {"seconds", "cpu_seconds", "fitting_seconds", "auto_cpu_seconds", "resumed",
         "live_sharpness"}


@pytest.fixture
def stores(runs: RunStore, tmp_path: Path) -> tuple[RunStore, RunStore]:
    """Two stores that know the runs made for this file, and do not see each other."""
    return tuple(RunStore(tmp_path / name, runs.root) for name in ("killed", "whole"))


def killed(config: Config, store: RunStore, method: str, when: Callable[..., bool]) -> Run:
    """A run whose worker process is killed as it calls a writer's `method` with such arguments."""
    run = store.create(config)
    pid = os.fork()
    if pid == 0:
        write = getattr(RunWriter, method)

        def deadly(self: RunWriter, *arguments: object) -> object:
            if when(*arguments):
                os.kill(os.getpid(), signal.SIGKILL)
            return write(self, *arguments)

        setattr(RunWriter, method, deadly)
        worker.work(run, store)
        os._exit(1)
    os.waitpid(pid, 0)
    assert run.manifest["pid"] == pid and run.state == "lost", run.message
    return run


def says(text: str) -> Callable[..., bool]:
    """Whether the progress begins with that text."""
    return lambda done, total, told, *eta: told.startswith(text)


def nth(count: int) -> Callable[..., bool]:
    calls: list[object] = []
    return lambda *arguments: calls.append(arguments) or len(calls) == count


def resumed(run: Run, store: RunStore) -> Run:
    requeue(run)
    worker.work(run, store)
    assert (run.state, run.message) == ("done", "")
    assert len(run.manifest["resumed"]) == 1
    assert not list(run.path.glob(".part-*"))
    return run


def without_times(value: object) -> object:
    if isinstance(value, dict):
        return {key: without_times(entry) for key, entry in value.items() if key not in TIMES}
    return [without_times(entry) for entry in value] if isinstance(value, list) else value


def check_equal(run: Run, whole: Run, less: tuple[str, ...] = ()) -> None:
    """All files of two runs of one config hold the same numbers, bit by bit, but for times."""
    assert run.config == whole.config and run.id != whole.id
    assert without_times(run.results) == without_times(whole.results)
    files = {name for name in whole.manifest["files"] if name not in less}
    assert files == set(run.manifest["files"]) - set(less)
    for name in files:
        if name.endswith(".safetensors"):
            mine, theirs = run.tensors(name), whole.tensors(name)
            assert mine.keys() == theirs.keys()
            assert all(torch.equal(mine[key], theirs[key]) for key in theirs), name
        elif name.endswith(".npz"):
            mine, theirs = run.arrays(name), whole.arrays(name)
            assert mine.keys() == theirs.keys()
            for key in theirs:
                np.testing.assert_array_equal(mine[key], theirs[key], err_msg=f"{name} {key}")
    mine, theirs = (each.points().drop(columns="seconds") for each in (run, whole))
    pd.testing.assert_frame_equal(mine, theirs)
    seconds = run.points().drop_duplicates(["method", "step"])
    if run.kind in ("train", "purify"):
        assert all(of["seconds"].is_monotonic_increasing for _, of in seconds.groupby("method"))
    assert not mine.duplicated(["method", "step", "metric"]).any()


# ---- training


@pytest.mark.parametrize("attack", ["dyn_one", "lira", "fba", "clb"])
def test_training(attack, stores, monkeypatch):
    """A generator trained along, one for some epochs only, networks learned on the way with images
    redrawn, and a surrogate learned before with images drawn once: killed after the third epoch of
    four, of which the second was the last one kept."""
    keep, began, trained = RunWriter.keep_part, [], train.train

    def keep_some(self: RunWriter, name: str, value: dict) -> None:
        if name != "epoch" or value["training"]["epoch"] <= 2:
            keep(self, name, value)

    def noted(*arguments: object) -> Iterator[Epoch]:
        for epoch in trained(*arguments):
            began.append(epoch.epoch)
            yield epoch

    monkeypatch.setattr(train, "KEEP_EVERY", 0.0)
    monkeypatch.setattr(train, "KEEP_SHARE", float("inf"))
    monkeypatch.setattr(RunWriter, "keep_part", keep_some)
    changes = ",".join(f"{key}={value:g}" for key, value in hurried(attack).items())
    config = train_config(attack=attack, epochs=4, parameters=changes)
    whole = made(config, stores[1])
    assert whole.state == "done", whole.message
    run = killed(config, stores[0], "progress", says("Epoch 3"))
    assert run.points()["step"].max() == 3
    if attack_class(attack).learns:
        monkeypatch.setattr(attack_class(attack), "fit", lambda *_: pytest.fail("learned again"))
    monkeypatch.setattr(train, "train", noted)
    check_equal(resumed(run, stores[0]), whole)
    assert began == [3, 4]


# ---- layer maps


def test_layers(stores, backdoored, monkeypatch):
    """Killed at the third layer, after one of its methods: that layer is tuned anew."""
    monkeypatch.setattr(auto, "STEPS", 1)
    config = LayersConfig(source=backdoored.id, steps=1, batch_size=16, pool=2, reference="none",
                          methods=(SGD(), NGF()))
    whole = made(config, stores[1])
    run = killed(config, stores[0], "point", nth(6))
    tuned, tune = [], sweep.tune
    monkeypatch.setattr(sweep, "tune", lambda station, *rest: tuned.append(station.name)
                        or tune(station, *rest))
    check_equal(resumed(run, stores[0]), whole)
    names = list(dict.fromkeys(entry["layer"] for entry in whole.results["map"]))
    assert list(dict.fromkeys(tuned))[:len(names) - 2] == names[2:]


# ---- spectra


def test_spectrum(stores, race, monkeypatch):
    """Killed at the second of three models."""
    config = SpectrumConfig(source=race.id, samples=10, k=1, steps=5, trace_probes=2,
                            check="none", parameters="layer")
    whole = made(config, stores[1])
    assert whole.state == "done", whole.message
    run = killed(config, stores[0], "progress", says("ngf"))
    measured, measure = [], spectrum.measure_spectrum
    monkeypatch.setattr(spectrum, "measure_spectrum", lambda model, *rest, **named:
                        measured.append(model) or measure(model, *rest, **named))
    check_equal(resumed(run, stores[0]), whole)
    assert len(measured) == 2


# ---- landscapes


@pytest.mark.parametrize(("mode", "grid"), [("exact", 4), ("preview", 9)])
def test_landscape(mode, grid, stores, race, monkeypatch):
    """Killed as a row or a round is to be written: that one is computed again."""
    config = LandscapeConfig(source=race.id, planes=("models",), samples=10, grid=grid, mode=mode,
                             bound=0.001)
    counts, compute = [], Evaluator.losses

    def counted(self, points, progress=None):
        counts.append(len(points))
        return compute(self, points, progress)

    monkeypatch.setattr(Evaluator, "losses", counted)
    whole = made(config, stores[1])
    needed = sum(counts)
    run = killed(config, stores[0], "arrays", nth(10))
    left = run.arrays("landscape")
    known = sum(int(left[f"plane.{part}.computed"].sum()) for part in ("clean", "triggered")
                if f"plane.{part}.computed" in left)
    assert known
    counts.clear()
    check_equal(resumed(run, stores[0]), whole)
    assert 0 < sum(counts) < needed


# ---- races


def test_race(stores, backdoored, monkeypatch):
    """Killed between the points of two methods at one step: no model is measured twice, and the
    layer is not chosen again."""
    config = purify_config(backdoored, steps=6, layer="auto", evaluations=3, sharpness="off")
    monkeypatch.setattr(auto, "STEPS", 1)
    whole = made(config, stores[1])
    run = killed(config, stores[0], "point", lambda method, step, *_: (method, step) == ("sgd", 4))
    before, offset = run.events()
    evaluated, evaluate = [], purify.evaluate
    monkeypatch.setattr(purify, "evaluate", lambda *_: evaluated.append(1) or evaluate(*_))
    monkeypatch.setattr(auto, "choose_layer", lambda *_: pytest.fail("chosen again"))
    check_equal(resumed(run, stores[0]), whole)
    assert run.events()[0][:len(before)] == before
    new = [event for event in run.events(offset)[0] if event["type"] == "point"]
    assert [(event["method"], event["step"]) for event in new] == [("sgd", 4), ("ngf", 6),
                                                                   ("sgd", 6)]
    assert len(evaluated) == 1 + len(new), "the received model, and the new points"
