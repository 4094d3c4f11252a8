"""What purifications leave: the rates that a run of the same settings records."""

import pytest
import torch

from benchmarks import purified as purified_by
from benchmarks.purified import Purification, rates_after, trained_models
from ngf_core.config import PurifyConfig, TrainConfig
from ngf_core.evidence.entrants import CONDITIONS
from ngf_core.purify import NGF, SGD
from ngf_core.runs import default_store
from ngf_core.runs.store import BENCHMARK
from tests.support.tiny_runs import made

SEED = 3


def test_rates_are_those_of_a_run_and_each_starts_anew(runs, monkeypatch, tmp_path):
    monkeypatch.setenv("NGF_RUNS", str(tmp_path))
    (tmp_path / BENCHMARK).symlink_to(runs.root)
    monkeypatch.setitem(CONDITIONS, "steps", 2)
    trained = made(TrainConfig(arch="mini_preact_resnet", epochs=1), runs)
    purified = made(PurifyConfig(source=trained.id, methods=(NGF(), SGD()), augment="strong",
                                 **CONDITIONS | {"seed": SEED}), runs)
    judge, channels_last = purified_by.evaluate, []

    def evaluate(model, test):
        channels_last.append(all(weight.is_contiguous(memory_format=torch.channels_last)
                                 for weight in model.parameters() if weight.dim() == 4))
        return judge(model, test)

    monkeypatch.setattr(purified_by, "evaluate", evaluate)
    after = list(rates_after(trained.id, [
        Purification(NGF(), SEED), Purification(SGD(), SEED),
        Purification(SGD(), SEED, torch.channels_last)]))
    for found, method in zip(after, ("ngf", "sgd", "sgd"), strict=True):
        recorded = {name: purified.results[method][name] for name in ("acc", "asr", "ra")}
        assert found == pytest.approx({name: rate["hits"] / rate["n"]
                                       for name, rate in recorded.items()})
    assert after[0] != after[1] and channels_last == [False, False, True]


def test_the_zoos_models_come_before_the_benchmarks(monkeypatch, tmp_path):
    monkeypatch.setenv("NGF_RUNS", str(tmp_path))
    zoo = "signs-badnets-s0-train"
    (tmp_path / BENCHMARK / zoo).mkdir(parents=True)
    assert trained_models().get(zoo).path == default_store().shipped / zoo
