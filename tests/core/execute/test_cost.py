"""Cost estimates: the scaling model's, and a machine's own pace where it has one."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ngf_core.config import LandscapeConfig, LayersConfig, PurifyConfig, SpectrumConfig, TrainConfig
from ngf_core.curvature.sharpness.slices import POINTS
from ngf_core.device import device
from ngf_core.execute.cost import (
    COPIES,
    PACE_SECONDS,
    PROCESS_MEGABYTES,
    START_SECONDS,
    estimate,
)
from ngf_core.execute.run_stages import SLICE_POINTS
from ngf_core.purify import CLP, NGF, SGD
from ngf_core.runs.manifest import change_manifest
from ngf_core.scaling.model import memory as modelled
from ngf_core.scaling.network import network_of
from ngf_core.scaling.stages import Poison, Train
from tests.support.fabricated_runs import make_run


def timed(store, seconds: float, **settings):
    run = make_run(store, "train", **settings)
    start = datetime.fromisoformat(run.manifest["started"])
    change_manifest(run.path, finished=(start + timedelta(seconds=seconds)).isoformat(),
                    device=device().type)
    return run


def pace(store, config=None):
    """The estimate for a run on the two threads of fabricated runs."""
    return estimate(config or TrainConfig(), store, cores=2)


def test_the_guess_grows_with_the_work(store):
    def seconds(config) -> float:
        return estimate(config, store).seconds - START_SECONDS

    # The images are poisoned once.
    assert seconds(TrainConfig(epochs=20)) == pytest.approx(2 * seconds(TrainConfig(epochs=10)),
                                                            rel=1e-2)
    assert seconds(TrainConfig(arch="preact_resnet18")) > 10 * seconds(TrainConfig())
    def race(*methods) -> float:
        return seconds(PurifyConfig(source="x", methods=methods))

    one = race(NGF(layer="linear"))
    assert race(NGF(layer="linear"), SGD(layer="linear")) == pytest.approx(2 * one)
    for dearer in (NGF(layer="linear", step_size="chosen"), NGF(layer="auto")):
        assert race(dearer) > 1.1 * one
    assert race(CLP()) == pytest.approx(one)
    few, some, many = (seconds(SpectrumConfig(source="x", samples=n)) for n in (150, 300, 6000))
    assert some == pytest.approx(2 * few)
    assert many > 1.3 * 40 * few, "most graphs do not fit the memory, and are built each time"
    assert seconds(LandscapeConfig(source="x", grid=31)) > 2 * seconds(
        LandscapeConfig(source="x", grid=17))
    assert seconds(LandscapeConfig(source="x", grid=51)) > 4 * seconds(
        LandscapeConfig(source="x", grid=51, mode="preview"))
    planes = ("random", "eigen", "path", "models")
    assert seconds(LandscapeConfig(source="x", planes=planes)) > seconds(
        LandscapeConfig(source="x"))
    long, short = (LayersConfig(source="x", steps=steps, reference="none") for steps in (50, 10))
    assert 3 < seconds(long) / seconds(short) < 5  # the rest is evaluation
    assert seconds(LayersConfig(source="x", pool=0)) > 1.5 * seconds(LayersConfig(source="x"))
    assert "By the scaling model, on one core" in estimate(TrainConfig(), store).basis


def test_the_slices_of_a_spectrum_cost_their_forward_passes(store):
    def seconds(operator: str) -> float:
        return estimate(SpectrumConfig(source="x", operator=operator, check="none"), store).seconds

    assert SLICE_POINTS == POINTS
    assert seconds("ggn") < seconds("hessian") < 1.5 * seconds("ggn")


def test_a_finished_run_sets_the_pace(store):
    run = timed(store, START_SECONDS + 40, epochs=10)
    cost = pace(store, TrainConfig(epochs=5))
    assert cost.seconds == pytest.approx(START_SECONDS + 20, rel=1e-2)
    assert cost.basis == f"From the pace of run {run.id}."
    assert cost.core_seconds == 2 * cost.seconds


def test_a_run_of_another_architecture_sets_no_pace(store):
    timed(store, 1000, arch="preact_resnet18")
    assert "By the scaling model, on one core" in pace(store).basis


def test_unfinished_runs_set_no_pace(store):
    for state in ("queued", "running", "failed", "cancelled", "corrupt"):
        make_run(store, "train", state=state)
    assert "By the scaling model, on one core" in pace(store).basis


@pytest.mark.parametrize("seconds", [0.5, 5.7, 8, PACE_SECONDS])
def test_a_run_whose_start_took_much_of_its_time_sets_no_pace(store, seconds):
    longer = timed(store, PACE_SECONDS + 1)
    timed(store, seconds, limit=4, epochs=1)
    assert pace(store).basis == f"From the pace of run {longer.id}."


@pytest.mark.parametrize("entries", [
    {"ranks": 2}, {"ranks": 2, "nodes": 2}, {"ranks": None}, {"threads": 1}, {"threads": None},
    {"device": "other:0"}, {"device": None}, {"job": "17"}])
def test_a_run_that_was_computed_otherwise_sets_no_pace(store, entries):
    run = timed(store, 1000)
    assert pace(store).basis == f"From the pace of run {run.id}."
    change_manifest(run.path, **entries)
    assert pace(store).cores == 1 and "By the scaling model, on one core" in pace(store).basis


def test_a_run_here_has_the_threads_of_its_worker(store, monkeypatch):
    timed(store, 1000)
    for threads, by in (("2", "From the pace"), ("3", "By the scaling model")):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        assert estimate(TrainConfig(), store).basis.startswith(by)


def test_the_architecture_is_that_of_the_source(store):
    big = make_run(store, "train", arch="preact_resnet18")
    small = make_run(store, "train")
    purified = make_run(store, "purify", source=big.id)

    def cost(source: str):
        return estimate(SpectrumConfig(source=source), store)

    assert cost(big.id).seconds == cost(purified.id).seconds > 10 * cost(small.id).seconds
    assert cost("not-here").seconds == cost(small.id).seconds


def test_megabytes(store):
    assert estimate(TrainConfig(), store).megabytes == pytest.approx(0.31 + 0.1, abs=0.05)
    assert estimate(TrainConfig(arch="preact_resnet18"), store).megabytes > 44
    # Three models' Krylov bases of some 25 vectors; those of a large network are not kept.
    assert 15 < estimate(SpectrumConfig(source="x"), store).megabytes < 35
    big = make_run(store, "train", arch="preact_resnet18")
    assert estimate(SpectrumConfig(source=big.id), store).megabytes < 1


def test_sharpness_measures_are_part_of_a_spectrums_cost(store):
    none, cheap, every = (estimate(SpectrumConfig(source="x", sharpness=name), store).seconds
                          for name in ("none", "cheap", "all"))
    assert none < cheap < every


def test_memory_is_that_of_the_largest_stage_beside_the_poisoned_images(store):
    def memory(config) -> float:
        return 1e6 * (estimate(config, store).memory - PROCESS_MEGABYTES)

    config = TrainConfig(batch_size=1024, precision="bf16")
    network = network_of(config.arch, 32)
    assert memory(config) == pytest.approx(modelled(Train(network, 20 * 4750, 1024))
                                           + modelled(Poison(4750, 380, 3072)))
    assert memory(replace(config, attack="none")) < memory(config)
    assert memory(replace(config, limit=10)) < memory(config) < memory(
        replace(config, precision="float32"))


def test_curvature_takes_no_more_memory_than_its_setting_beside_the_copies(store):
    big = make_run(store, "train", arch="preact_resnet18")
    little, much = (estimate(SpectrumConfig(source=big.id, memory=gb), store).memory
                    for gb in (1.0, 500.0))
    weights = network_of("preact_resnet18", 32).weights
    assert little == pytest.approx(PROCESS_MEGABYTES + 1000 + COPIES * 4e-6 * weights)
    assert much > 2 * little


def test_an_imported_network_costs_its_own_multiply_adds(store):
    imported = make_run(store, "import")
    came_as = imported.results["came_as"]

    def seconds() -> float:
        return estimate(SpectrumConfig(source=imported.id), store).seconds - START_SECONDS

    once = seconds()
    change_manifest(imported.path, results=imported.results | {
        "came_as": came_as | {"multiply_adds": 3 * came_as["multiply_adds"]}})
    assert seconds() == pytest.approx(3 * once)
