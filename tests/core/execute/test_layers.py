"""A layer map run on a tiny model."""

from collections.abc import Iterator

import pytest

from ngf_core.config import LayersConfig
from ngf_core.data.dataset import Dataset
from ngf_core.layers import choose as auto
from ngf_core.layers.rules import RULES
from ngf_core.models.build import tunable_layer_names
from ngf_core.purify import SGD
from tests.support.tiny_runs import made

SMALL = {"steps": 2, "batch_size": 16, "pool": 2}


@pytest.fixture(scope="module", autouse=True)
def brief() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auto, "STEPS", 1)
        yield


@pytest.fixture(scope="module")
def mapped(runs, backdoored):
    return made(LayersConfig(source=backdoored.id, **SMALL), runs)


def test_every_layer_with_every_method(mapped):
    assert (mapped.state, mapped.message) == ("done", "")
    results = mapped.results
    names = tunable_layer_names("mini_preact_resnet")
    assert [(e["layer"], e["method"]) for e in results["map"]] == [
        (name, method) for name in names for method in ("ngf", "sgd")]
    assert [e["index"] for e in results["map"]][::2] == list(range(len(names)))
    assert results["map"][0]["depth"] == 0 and results["map"][-1]["depth"] == 1
    for entry in results["map"]:
        assert entry["passes"] == 2 and entry["stopped"] is None and entry["fisher_trace"] > 0
        for rate in ("acc", "asr", "ra"):
            assert entry[rate]["n"] == results["before"][rate]["n"]
    assert set(results["scores"]) == set(results["chosen"]) == set(RULES)
    assert all(set(of) == set(names) for of in results["scores"].values())
    assert results["auto"] == results["chosen"][results["rule"]] in names
    assert results["oracle"]["layer"] in names and results["oracle"]["method"] == "ngf"
    assert results["finetune"]["passes"] == 2 and results["finetune"]["acc"]["n"] > 0
    assert results["auto_passes"] == len(names) and results["finetune"]["passes"] == 2
    assert 0 < results["clean_images"] - results["tuning_images"] <= results["clean_images"] / 5


def test_a_point_of_its_curves_is_a_layer(mapped):
    points = mapped.points()
    mine = points[(points.method == "sgd") & (points.metric == "acc")]
    entries = [e for e in mapped.results["map"] if e["method"] == "sgd"]
    assert mine.step.tolist() == [e["index"] + 1 for e in entries]
    assert mine.value.tolist() == pytest.approx([e["acc"]["hits"] / e["acc"]["n"] for e in entries])
    assert set(points.metric) == {"acc", "asr", "ra", "fisher_trace"}


def test_a_benign_model_has_no_oracle(runs, benign):
    run = made(LayersConfig(source=benign.id, methods=(SGD(),), reference="none", **SMALL), runs)
    assert (run.state, run.message) == ("done", "")
    assert run.results["oracle"] is None and run.results["finetune"] is None
    assert run.results["auto"] and all(e["asr"] is None for e in run.results["map"])


def test_the_clean_set_is_the_one_asked_for(runs, benign, monkeypatch):
    asked, real = [], Dataset.clean
    monkeypatch.setattr(Dataset, "clean", lambda self, *how: asked.append(how) or real(self, *how))
    run = made(LayersConfig(source=benign.id, methods=(SGD(),), reference="none", **SMALL,
                            clean_fraction=0.04, clean_balance="balanced"), runs)
    assert run.state == "done" and asked == [(0.04, "balanced")]
