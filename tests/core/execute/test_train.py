"""Training runs: what they leave, by file and key."""

import numpy as np
import pytest
import torch

from ngf_core.attacks.control import NONE
from ngf_core.attacks.troj import TrojOne
from ngf_core.data.dataset import load_dataset
from ngf_core.evaluate.test_set import build_test_set, evaluate
from ngf_core.trained.load import attack_of, load_trained
from tests.support.tiny_runs import made, train_config


def test_a_backdoored_run(runs, backdoored):
    assert (backdoored.state, backdoored.message) == ("done", "")
    dataset = load_dataset("signs")
    results = backdoored.results
    assert results["train_images"] == 380 and results["poisoned"] == round(0.08 * 380)
    assert results["poison_rate"] == results["poisoned"] / 380
    assert results["precision"] == "float32" and results["seconds"] > 0
    assert {k: v["n"] for k, v in results["train"].items()} == {"acc": 20, "asr": 18, "ra": 18}

    poison = backdoored.arrays("poison")["indices"]
    assert poison.shape == (1, 30) and (np.diff(poison[0]) > 0).all()
    shown = backdoored.arrays("samples")
    assert set(shown) == {"clean", "triggered", "labels", "targets"}
    assert shown["clean"].shape == shown["triggered"].shape == (8, 3, 16, 16)
    assert shown["labels"].tolist() == [1, 2, 3, 4, 5, 6, 7, 8] and set(shown["targets"]) == {0}
    attack = attack_of(backdoored.config, dataset)
    assert np.array_equal(attack.trigger(torch.from_numpy(shown["clean"])), shown["triggered"])
    manifest = backdoored.manifest
    assert manifest["data_sha"] == dataset.sha256 and manifest["device"]
    assert {"model.safetensors", "poison.npz", "samples.npz"} <= set(manifest["files"])


def test_the_curve_ends_at_the_results(backdoored):
    points = backdoored.points()
    last = points[points["step"] == 1].set_index("metric")
    for name, rate in backdoored.results["train"].items():
        assert last.loc[name, "value"] == pytest.approx(rate["hits"] / rate["n"])
        assert last.loc[name, "n"] == rate["n"]
    assert set(last.index) == {"acc", "asr", "ra", "loss"} and set(points["method"]) == {"train"}
    assert backdoored.progress()["done"] == backdoored.progress()["total"] == 1


def test_the_saved_model_is_the_measured_one(runs, backdoored):
    source = load_trained(backdoored.id, runs)
    test = build_test_set(source.dataset.test, source.attack)
    assert evaluate(source.models["before"], test).to_json() == backdoored.results["train"]
    assert source.layer == "linear" and not source.models["before"].training


def test_a_benign_run_has_no_triggers(benign):
    assert benign.state == "done"
    assert benign.results["train"]["asr"] is None and benign.results["train"]["ra"] is None
    assert benign.results["poisoned"] == 0 and not benign.has("poison")
    assert set(benign.arrays("samples")) == {"clean", "labels"}
    assert set(benign.points()["metric"]) == {"acc", "loss"}


def test_an_attacker_who_trains_leaves_the_indices_of_every_epoch(runs):
    run = made(train_config(attack="wanet", epochs=2), runs)
    indices = run.arrays("poison")["indices"]
    assert indices.shape == (2, 30) and not np.array_equal(*indices)


def test_the_same_config_gives_the_same_model(runs, backdoored):
    again = made(train_config(), runs)
    old, new = backdoored.tensors("model"), again.tensors("model")
    assert all(torch.equal(old[key], new[key]) for key in old)
    assert again.results["train"] == backdoored.results["train"]


def test_training_that_diverges_says_so(runs, monkeypatch):
    def diverging(*_: object):
        from ngf_core.training import Epoch
        yield Epoch(1, float("nan"), 0.1, NONE, NONE, None)

    monkeypatch.setattr("ngf_core.execute.train.train", diverging)
    run = made(train_config(), runs)
    assert run.state == "failed"
    assert run.message.startswith("Training diverged in epoch 1") and "smaller" in run.message


def test_an_impossible_attack_is_refused_in_words(runs):
    run = made(train_config(attack="sig", poison_rate=0.4), runs)
    assert run.state == "failed" and "SIG can poison 1 to 38 of them" in run.message


def test_a_start_from_weights_says_what_was_taken(runs, tmp_path):
    from ngf_core.data.torchvision_guard import torchvision

    with torch.random.fork_rng():
        torch.manual_seed(3)
        torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "resnet18.pth")
    run = made(train_config(attack="none", arch="resnet18", limit=5, lr=1e-5,
                            weights=str(tmp_path / "resnet18.pth")), runs)
    assert run.state == "done", run.message
    assert run.results["weights_taken"] > 100
    assert {"fc.weight", "fc.bias"} <= set(run.results["weights_left"])


def test_weights_that_are_not_there_are_named_before_anything_is_learned(runs, monkeypatch):
    monkeypatch.setattr(TrojOne, "fit", lambda *_: pytest.fail("fitted for nothing"))
    run = made(train_config(attack="troj_one", arch="resnet18", weights="nowhere.pth"), runs)
    assert run.state == "failed" and "nowhere.pth" in run.message
