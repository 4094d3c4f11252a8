"""Runs in fewer bytes: the same rates to the last image, and nothing stored twice."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from ngf_core.evaluate.rates import Evaluation, Rate
from ngf_core.evaluate.test_set import build_test_set, evaluate
from ngf_core.execute import zoo
from ngf_core.execute.slim import slim
from ngf_core.runs import Run, RunStore
from ngf_core.runs.lineage import weights_sha
from ngf_core.runs.manifest import change_manifest
from ngf_core.runs.tensors import shapes
from ngf_core.trained.load import load_trained
from tests.support.small_attacks import hurried
from tests.support.tiny_runs import made, purify_config, train_config

LARGE = 500  # of the small network
NAME = "signs-mini_preact_resnet-lira-s0"


@pytest.fixture(scope="module")
def slimmed(runs: RunStore) -> dict[str, Run]:
    """A training of an attack that learns, and a race on it, made as the zoo's runs are."""
    lira = ",".join(f"{key}={value:g}" for key, value in hurried("lira").items())
    train = zoo.make(runs, f"{NAME}-train", train_config(attack="lira", parameters=lira))
    race = zoo.make(runs, f"{NAME}-race", purify_config(train, "ngf", "finetune"))
    assert train.state == race.state == "done"
    return {"train": train, "race": race}


def test_every_model_has_the_rates_of_the_results(runs, slimmed):
    for run, entries in ((slimmed["train"], {"before": "train"}),
                         (slimmed["race"], {"before": "before", "ngf": "ngf",
                                            "finetune": "finetune"})):
        source = load_trained(run.id, runs)
        test = build_test_set(source.dataset.test, source.attack)
        for name, entry in entries.items():
            assert evaluate(source.models[name], test) == Evaluation.from_json(run.results[entry])


def test_a_training_is_in_half_precision_and_what_it_learned_is_not(slimmed):
    run = slimmed["train"]
    stored = load_file(run.path / "model.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float16, torch.int64}
    assert {value.dtype for value in run.tensors("model").values()} == {torch.float32, torch.int64}
    assert torch.float16 not in {value.dtype for value in load_file(
        run.path / "attack.safetensors").values()}


def test_a_race_holds_only_what_differs_from_its_source(slimmed):
    train, race = slimmed["train"], slimmed["race"]
    for file in ("before", "attack"):
        own, base = shapes(race.path / f"{file}.safetensors")
        assert own == {} and base.run == train.id
    tuned = shapes(race.path / "after_ngf.safetensors")[0]
    received = race.tensors("before")
    assert "blocks.2.conv1.weight" in tuned and "stem.weight" not in tuned
    assert weights_sha(race, "before") == weights_sha(train, "before")
    after = race.tensors("after_ngf")
    assert after.keys() == received.keys()
    assert {name for name in after if not torch.equal(after[name], received[name])} == set(tuned)


def test_other_rates_keep_float32(runs):
    """The recorded rates are one image off, as if half precision had moved that image."""
    run = made(train_config(), runs)
    before, rates = run.tensors("model"), run.results["train"]
    rates["acc"]["hits"] += 1 if rates["acc"]["hits"] < rates["acc"]["n"] else -1
    change_manifest(run.path, results=run.results | {"train": rates})
    slim(run, runs, runs.root)
    after = load_file(run.path / "model.safetensors")
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], value) and after[name].dtype == value.dtype
               for name, value in before.items())


def test_small_tensors_alone_keep_float32_where_that_is_enough(runs, monkeypatch):
    run = made(train_config(), runs)
    before, recorded = run.tensors("model"), Evaluation.from_json(run.results["train"])
    rates = iter((replace(recorded, acc=Rate(0, recorded.acc.n)), recorded))
    monkeypatch.setattr("ngf_core.execute.slim.LARGE", LARGE)
    monkeypatch.setattr("ngf_core.execute.slim.evaluate", lambda model, test: next(rates))
    slim(run, runs, runs.root)
    after = load_file(run.path / "model.safetensors")
    large = {name for name, value in before.items() if value.numel() >= LARGE}
    assert large != before.keys() and {name for name, value in after.items()
                      if value.dtype == torch.float16} == large
    assert all(torch.equal(after[name], value if name not in large else value.half())
               for name, value in before.items())


def test_measurements_are_left_alone(runs, slimmed):
    from ngf_core.config import SpectrumConfig

    run = runs.create(SpectrumConfig(source=slimmed["race"].id))
    slim(run, runs, runs.root)
    assert [path.name for path in run.path.iterdir()] == ["manifest.json"]


def test_a_source_elsewhere_is_no_base(runs, slimmed, tmp_path):
    store = RunStore(tmp_path / "mine", runs.root)
    race = zoo.make(store, "race", purify_config(slimmed["train"], "sgd", steps=1))
    assert race.state == "done" and race.path.parent == store.root
    assert weights_sha(race, "before") == weights_sha(slimmed["train"], "before")
    assert all(shapes(path)[1] is None for path in race.path.glob("*.safetensors"))
    assert {path.name for path in store.root.iterdir()} <= {"race", ".lock", ".manifest.lock"}


def test_what_is_there_is_not_made_again(runs, slimmed, monkeypatch):
    monkeypatch.setattr(zoo, "work", lambda *_: pytest.fail("computed twice"))
    run = slimmed["race"]
    assert zoo.make(runs, run.id, run.config).manifest == run.manifest


def test_a_stopped_run_leaves_no_half_of_one(runs, slimmed, monkeypatch):
    """Killed at work there is nothing of the run; cancelled, it is there as such and made again."""
    run_id, config = f"{NAME}-sgd", purify_config(slimmed["train"], "sgd", steps=1)

    def killed(run: Run, store: RunStore) -> None:
        raise SystemExit

    def cancelled(run: Run, store: RunStore) -> None:
        change_manifest(run.path, state="cancelled", message="Cancelled before its first step.")

    for work, ends in ((killed, SystemExit), (cancelled, KeyboardInterrupt)):
        with monkeypatch.context() as patch, pytest.raises(ends):
            patch.setattr(zoo, "work", work)
            zoo.make(runs, run_id, config)
        assert not list(runs.root.glob(".at-work-*"))
        assert (runs.root / run_id).exists() == (work is cancelled)
    assert zoo.make(runs, run_id, config).state == "done"
