"""Audit runs of real runs: what they record, and what cannot be compared."""

import pytest

from ngf_core.config import AuditConfig
from ngf_core.errors import ConfigError
from ngf_core.evidence.audit_report import text
from ngf_core.execute.audit import execute
from ngf_core.runs import RunWriter
from ngf_core.runs.lineage import weights_sha
from ngf_core.trained.load import load_trained
from ngf_core.trained.samples import held_out, held_out_sets
from tests.support.tiny_runs import made, train_config

pytestmark = pytest.mark.filterwarnings("ignore:Using backward")


def audit_of(run, **changes) -> AuditConfig:
    return AuditConfig(**{"source": run.id, "samples": 10, "further": 1} | changes)


def test_an_audit_of_a_race_stands_alone(runs, race):
    run = made(audit_of(race), runs)
    assert (run.state, run.message) == ("done", "")
    found = run.results
    assert found["unit"] == {"dataset": "signs", "attack": "badnets", "seed": 0, "imported": False}
    assert found["models"]["after"] == {
        "run": race.id, "model": "ngf", "weights": weights_sha(race, "ngf"),
        "rates": {name: race.results["ngf"][name] for name in ("acc", "asr", "ra")}}
    assert found["conditions"]["samples"] == 10 and len(found["other_images"]) == 1
    assert set(found["evidence"]) == {"before", "after"}
    assert "No verdict." in text([found]) and "1 training seed" in text([found])


def test_the_tuned_layer_alone(runs, race):
    found = made(audit_of(race, parameters="layer", further=0), runs).results
    layer = load_trained(race.id, runs).models["ngf"].get_submodule("blocks.2.conv1")
    assert found["conditions"]["layer"] == "blocks.2.conv1"
    assert found["conditions"]["count"] == sum(p.numel() for p in layer.parameters())
    assert found["other_images"] == []


def test_two_models_of_two_runs(runs, backdoored, benign):
    found = made(audit_of(backdoored, against=benign.id, model="before", further=0), runs).results
    assert {role: of["run"] for role, of in found["models"].items()} == {
        "before": backdoored.id, "after": benign.id}


@pytest.mark.parametrize(("changes", "field", "words"), [
    ({"model": "anp"}, "model", "has no model anp"),
    ({"against": "digits"}, "against", "answers digits and the first signs"),
    ({"against": "vgg", "model": "before"}, "against", "of different networks"),
])
def test_what_cannot_be_compared_is_refused(runs, backdoored, race, changes, field, words):
    others = {"digits": train_config(dataset="digits"), "vgg": train_config(arch="mini_vgg")}
    if changes.get("against"):
        other = made(train_config(**{k: getattr(others[changes["against"]], k)
                                     for k in ("dataset", "arch")}), runs)
        changes = {"model": "before"} | changes | {"against": other.id}
    config = audit_of(race, **changes)
    with pytest.raises(ConfigError, match=words) as caught:
        execute(config, runs, RunWriter(runs.create(config)))
    assert caught.value.field == field


def test_further_sets_are_other_images_and_the_first_is_the_usual_one(runs, backdoored):
    dataset = load_trained(backdoored.id, runs).dataset
    sets = held_out_sets(dataset, 6, 3, 0)
    x, y = held_out(dataset, None, 6, 0, sets[0][0].device)["clean"]
    assert (sets[0][0].float() / 255 == x).all() and (sets[0][1] == y).all()
    assert len({bytes(image.numpy()) for x, _ in sets for image in x}) == 18
    everything = held_out_sets(dataset, len(dataset.test) + 1, 3, 0)
    assert len(everything) == 1 and len(everything[0][1]) == len(dataset.test)
