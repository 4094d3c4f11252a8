"""Races: what they leave, by file and key, also where a method falls out."""

import math
import sys
import types
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch

from ngf_core.config import SpectrumConfig, to_json
from ngf_core.curvature.sharpness.live import METRICS, sharpness_point
from ngf_core.evaluate.test_set import build_test_set, evaluate
from ngf_core.execute.landscape import _paths
from ngf_core.models.build import tunable_layers
from ngf_core.purify import NGF, SGD, FineTuning
from ngf_core.purify.methods.sgd import sgd
from ngf_core.purify.registry import PURIFIERS
from ngf_core.purify.step import Diverged
from ngf_core.trained.load import load_trained
from tests.support.tiny_runs import made, purify_config

LAYER = "blocks.2.conv1.weight"


def test_a_race(race, backdoored):
    assert (race.state, race.message) == ("done", "")
    results = race.results
    assert results["before"] == backdoored.results["train"]
    assert results["clean_images"] == 20 and results["layer"] == "blocks.2.conv1"
    assert results["train_config"] == to_json(backdoored.config)
    for method in ("ngf", "sgd"):
        assert results[method]["steps"] == 3 and results[method]["stopped"] is None
        assert results[method]["seconds"] > 0 and results[method]["asr"]["n"] == 18
    shown = race.arrays("samples")
    assert set(shown) == {"clean", "triggered", "labels", "targets"}


def test_before_and_after_are_kept(race, backdoored):
    received = backdoored.tensors("model")
    before = race.tensors("before")
    assert all(torch.equal(before[key], received[key]) for key in received)
    for method in ("ngf", "sgd"):
        after = race.tensors(f"after_{method}")
        moved = {k for k in after if not torch.equal(after[k], before[k])}
        weights = {k for k in moved if "running" not in k and "num_batches" not in k}
        assert weights == {LAYER}


def test_the_paths_lead_from_the_received_to_the_purified_weights(race):
    before = race.tensors("before")[LAYER].flatten()
    for method in ("ngf", "sgd"):
        path = race.arrays(f"path_{method}")
        after = race.tensors(f"after_{method}")[LAYER].flatten()
        assert path["steps"].tolist() == [0, 1, 2, 3] and path["deltas"].dtype == np.float16
        assert not path["deltas"][0].any()
        expected = (after - before).numpy()
        assert np.allclose(path["deltas"][-1], expected, rtol=2e-3, atol=1e-6)


def test_the_curves(race):
    points = race.points()
    for method in ("ngf", "sgd"):
        own = points[points["method"] == method]
        assert sorted(set(own["step"])) == [0, 1, 2, 3]
        assert set(own["metric"]) == {"acc", "asr", "ra", "loss", "kl", *METRICS}
        last = own[own["step"] == 3].set_index("metric")["value"]
        for name in ("acc", "asr", "ra"):
            rate = race.results[method][name]
            assert last[name] == pytest.approx(rate["hits"] / rate["n"])
        start = own[own["step"] == 0].set_index("metric")["value"]
        rate = race.results["before"]["acc"]
        assert start["acc"] == rate["hits"] / rate["n"] and math.isnan(start["loss"])
    said = race.predictions()
    assert len(said) == 8 and set(said[0]["predictions"]) == {"clean", "triggered"}
    assert all(len(event["predictions"]["clean"]) == 8 for event in said)
    progress = race.progress()
    assert progress["done"] == progress["total"] == 6


def test_the_saved_models_are_the_measured_ones(runs, race):
    source = load_trained(race.id, runs)
    assert list(source.models) == ["before", "ngf", "sgd"]
    test = build_test_set(source.dataset.test, source.attack)
    for name, model in source.models.items():
        measured = evaluate(model, test).to_json()
        assert measured == {key: race.results[name][key] for key in measured}


def test_a_benign_model_can_be_purified_too(runs, benign):
    run = made(purify_config(benign, "finetune"), runs)
    assert run.state == "done"
    assert run.results["finetune"]["asr"] is None and run.results["before"]["ra"] is None
    assert set(run.arrays("samples")) == {"clean", "labels"}
    assert not run.has("path_finetune") and run.has("after_finetune")
    assert set(run.predictions()[0]["predictions"]) == {"clean"}


def test_a_path_ends_at_the_last_step_however_many_there_are(runs, backdoored):
    run = made(purify_config(backdoored, "sgd", steps=23), runs)
    path = run.arrays("path_sgd")
    assert path["steps"].tolist() == [*range(0, 23, 2), 23]
    expected = (run.tensors("after_sgd")[LAYER] - run.tensors("before")[LAYER]).flatten()
    assert np.allclose(path["deltas"][-1], expected, rtol=2e-3, atol=1e-6)


def test_the_sharpness_of_the_received_model_stands_at_step_0(runs, race, backdoored):
    source = load_trained(backdoored.id, runs)
    clean = source.dataset.clean(race.config.clean_fraction)
    drawn = clean.take(torch.randperm(len(clean), generator=torch.Generator().manual_seed(0)))
    truth = sharpness_point(source.models["before"], drawn.x, drawn.y)
    points = race.points()
    for method in ("ngf", "sgd"):
        first = points[(points["method"] == method) & (points["step"] == 0)].set_index("metric")
        for name, value in truth.metrics().items():
            assert first["value"][name] == pytest.approx(value, rel=1e-4)
        assert first["n"]["lambda_max"] == 20
    told = race.results["live_sharpness"]
    assert told["images"] == 20 and told["steps"][0] == 0 and told["seconds"] > 0


def test_without_sharpness_a_race_tunes_the_same(runs, race, backdoored):
    plain = made(purify_config(backdoored, sharpness="off"), runs)
    assert "live_sharpness" not in plain.results
    points = plain.points()
    assert not set(METRICS) & set(points["metric"])
    for method in ("ngf", "sgd"):
        ours, theirs = plain.tensors(f"after_{method}"), race.tensors(f"after_{method}")
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def falling_out(model, clean, own, budget):
    """SGD that diverges at the fourth step."""
    for step in sgd(model, clean, SGD(layer=own.layer), budget):
        if step.step == 4:
            raise Diverged("It fell over. Use a smaller learning rate.")
        yield step


def test_a_method_that_diverges_keeps_its_curve_and_the_race_goes_on(runs, backdoored, monkeypatch):
    entry = replace(PURIFIERS["ngf"], where=f"{__name__}:falling_out")
    monkeypatch.setitem(PURIFIERS, "ngf", entry)
    run = made(purify_config(backdoored, steps=60), runs)
    assert run.state == "done"
    fell, went_on = run.results["ngf"], run.results["sgd"]
    assert fell["stopped"] == "It fell over. Use a smaller learning rate." and fell["steps"] == 3
    assert went_on["stopped"] is None and went_on["steps"] == 60
    points = run.points()
    assert set(points[points["method"] == "ngf"]["step"]) == {0, 3}
    assert max(points[points["method"] == "sgd"]["step"]) == 60
    assert run.arrays("path_ngf")["steps"].tolist() == [0, 3]
    assert run.has("after_ngf")


def test_several_layers_are_tuned_their_path_kept_and_their_spectrum_taken(runs, backdoored):
    run = made(purify_config(backdoored, layer="linear,blocks.2"), runs)
    assert (run.state, run.message) == ("done", "")
    names = [f"{name}.{key}" for name in ("blocks.2.conv1", "blocks.2.conv2", "blocks.2.shortcut",
                                          "linear")
             for key in ("weight", "bias") if f"{name}.{key}" in run.tensors("before")]
    for method in ("ngf", "sgd"):
        before, after = run.tensors("before"), run.tensors(f"after_{method}")
        moved = [key for key in after if not torch.equal(after[key], before[key])]
        assert {key for key in moved if "running" not in key and "num_" not in key} == set(names)
        expected = torch.cat([(after[key] - before[key]).flatten() for key in names])
        deltas = run.arrays(f"path_{method}")["deltas"]
        assert np.allclose(deltas[-1], expected.numpy(), rtol=2e-3, atol=1e-6)
    assert run.results["layer"] == load_trained(run.id, runs).layer == "linear,blocks.2"
    paths = _paths(load_trained(run.id, runs), run)
    assert list(paths["ngf"].states[1]) == names
    bias = before["linear.bias"]
    step = torch.from_numpy(run.arrays("path_ngf")["deltas"][1][-len(bias):]).float()
    assert step.any() and torch.equal(paths["ngf"].states[1]["linear.bias"], bias + step)
    spectrum = made(SpectrumConfig(source=run.id, samples=10, parameters="layer", check="none",
                                   sharpness="none", probes=3, trace_probes=2), runs)
    assert (spectrum.state, spectrum.message) == ("done", "")
    assert spectrum.results["layer"] == "linear,blocks.2"
    assert len(spectrum.arrays("spectrum")["ngf.fisher"]) == 10


class Chosen(NamedTuple):
    layer: str
    rule: str
    scores: dict[str, float]
    passes: int = 7


def choosing(monkeypatch, layer: str) -> list[tuple]:
    """Let `choose_layer` answer `layer`; what it is asked is kept."""
    asked = []

    def choose_layer(model, clean, budget, ngf):
        asked.append((model, clean, budget, ngf))
        model.linear.weight.data.zero_()  # a careless rule must not harm the race
        return Chosen(layer, "a rule", {"linear": 0.25, layer: 0.75})

    layers = types.ModuleType("ngf_core.layers")
    layers.choose_layer = choose_layer
    monkeypatch.setitem(sys.modules, "ngf_core.layers", layers)
    return asked


def test_auto_is_chosen_on_clean_data_before_any_method_sees_it(runs, race, backdoored,
                                                                monkeypatch):
    asked = choosing(monkeypatch, "blocks.2.conv1")
    config = purify_config(backdoored, layer="auto")
    run = made(config, runs)
    assert (run.state, run.message) == ("done", "")
    ((_, clean, budget, own),) = asked
    held = load_trained(backdoored.id, runs).dataset.clean(config.clean_fraction)
    assert torch.equal(clean.x, held.x) and (budget, own) == (config.budget, NGF(layer="auto"))
    choice = run.results["choice"]
    assert (choice["layer"], choice["rule"]) == ("blocks.2.conv1", "a rule")
    assert choice["scores"] == {"linear": 0.25, "blocks.2.conv1": 0.75}
    assert choice["passes"] == 7 and choice["seconds"] >= 0 and choice["cpu_seconds"] >= 0
    assert run.results["layer"] == load_trained(run.id, runs).layer == "blocks.2.conv1"
    for method in ("ngf", "sgd"):
        ours, theirs = run.tensors(f"after_{method}"), race.tensors(f"after_{method}")
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
        assert run.arrays(f"path_{method}")["steps"].tolist() == [0, 1, 2, 3]


def test_the_default_rule_chooses_one_of_the_networks_layers(runs, backdoored):
    run = made(purify_config(backdoored, "ngf", layer="auto"), runs)
    assert (run.state, run.message) == ("done", "")
    choice, received = run.results["choice"], load_trained(run.id, runs).models["before"]
    assert set(choice["scores"]) == set(tunable_layers(received))
    assert run.results["layer"] == choice["layer"] in choice["scores"]
    before, after = run.tensors("before"), run.tensors("after_ngf")
    moved = {key.rpartition(".")[0] for key, _ in received.named_parameters()
             if not torch.equal(before[key], after[key])}
    assert moved == {choice["layer"]} and choice["passes"] > 0


def test_nothing_is_chosen_where_no_method_asks_for_a_layer(runs, backdoored, monkeypatch):
    asked = choosing(monkeypatch, "linear")
    run = made(purify_config(backdoored, "finetune", layer="auto"), runs)
    assert run.state == "done" and not asked and "choice" not in run.results
    assert load_trained(run.id, runs).layer == "linear"


def test_a_balanced_clean_set_and_a_chosen_step_size(runs, race, backdoored):
    run = made(purify_config(backdoored, clean_balance="balanced", own={
        "ngf": {"step_size": "chosen"}, "sgd": {"step_size": "chosen"}}), runs)
    assert (run.state, run.message) == ("done", "")
    assert run.results["clean_images"] == 20
    for method, field in (("ngf", "kl_bound"), ("sgd", "lr")):
        told = run.results[method]["found"]["step_size"]
        assert told["field"] == field and told["passes"] == 12 and told["held_out"] == 4
        assert 0 < told["seconds"] < run.results[method]["seconds"]
        assert run.results[method]["steps"] == 3
        assert run.arrays(f"path_{method}")["steps"].tolist() == [0, 1, 2, 3]


def test_each_method_may_tune_a_layer_of_its_own(runs, backdoored, monkeypatch):
    asked = choosing(monkeypatch, "stem")
    methods = (SGD(layer="linear"), NGF(layer="auto"), FineTuning())
    run = made(purify_config(backdoored, methods=methods), runs)
    assert (run.state, run.message, len(asked)) == ("done", "", 1)
    tuned = {name: run.results[name].get("layer") for name in run.config.names}
    assert tuned == {"sgd": "linear", "ngf": "stem", "finetune": None}
    source = load_trained(run.id, runs)
    assert run.results["layer"] == source.layer == "linear"
    paths = _paths(source, run)
    for name, layer in (("sgd", "linear"), ("ngf", "stem")):
        assert {key.rpartition(".")[0] for key in paths[name].states[1]} == {layer}


def test_seconds_may_be_the_limit(runs, backdoored):
    run = made(purify_config(backdoored, "sgd", steps=5000, seconds=1e-6), runs)
    assert run.state == "done" and run.results["sgd"]["steps"] == 1
    assert run.results["sgd"]["stopped"] == ("SGD ended at pass 1 of 5000: its 1e-06 seconds were "
                                             "used up.")
    assert set(run.points()["step"]) == {0, 1}
    assert run.arrays("path_sgd")["steps"].tolist() == [0, 1]


def test_an_unknown_layer_fails_before_anything_is_tuned(runs, backdoored):
    run = made(purify_config(backdoored, layer="nose"), runs)
    assert run.state == "failed" and "no layer 'nose'. Choose one of stem" in run.message


def test_a_purification_outlives_its_source(runs, race, backdoored):
    copy = made(backdoored.config, runs)
    run = made(purify_config(copy, "sgd"), runs)
    copy.delete()
    source = load_trained(run.id, runs)
    assert list(source.models) == ["before", "sgd"] and source.train == backdoored.config


def in_threes(model, clean, own, budget):
    """SGD that reports every third step, as a method of three passes an update would."""
    for step in sgd(model, clean, SGD(layer=own.layer), budget):
        if step.step % 3 == 0:
            yield replace(step, found={"last": step.step, "first": [3]})


def test_updates_of_several_passes_are_recorded_and_their_findings_kept(
        runs, backdoored, monkeypatch):
    monkeypatch.setitem(PURIFIERS, "ngf", replace(PURIFIERS["ngf"], where=f"{__name__}:in_threes"))
    run = made(purify_config(backdoored, "ngf", steps=20, evaluations=10), runs)
    points = run.points()
    assert sorted(set(points[points["metric"] == "acc"]["step"])) == [0, 3, 6, 9, 12, 15, 18]
    assert run.arrays("path_ngf")["steps"].tolist() == [0, 3, 6, 9, 12, 15, 18]
    assert run.results["ngf"]["found"] == {"last": 18, "first": [3]}


def test_the_parameters_a_method_changed_are_counted(runs, race, backdoored):
    assert race.results["ngf"]["changed"] == race.tensors("before")[LAYER].numel()
    network = made(purify_config(backdoored, "finetune"), runs)
    whole = sum(t.numel() for key, t in network.tensors("before").items()
                if "running" not in key and "num_batches" not in key)
    assert 0.99 * whole < network.results["finetune"]["changed"] <= whole
