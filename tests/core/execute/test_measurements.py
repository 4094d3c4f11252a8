"""Spectrum runs of real runs and what measurements stand on: files, keys, fitting numbers."""

import pytest
import torch

from ngf_core.config import LandscapeConfig, SpectrumConfig
from ngf_core.data.dataset import load_dataset
from ngf_core.errors import RunError
from ngf_core.trained.load import load_trained, poisoned_set
from ngf_core.trained.samples import held_out
from tests.support.dataset_files import class_folders, picture, written
from tests.support.tiny_runs import made, purify_config, train_config

SPECTRUM = {"samples": 10, "k": 1, "steps": 5, "trace_probes": 2, "check": "none"}


@pytest.fixture(scope="module")
def spectrum(runs, backdoored):
    return made(SpectrumConfig(source=backdoored.id, **SPECTRUM), runs)


def test_more_samples_than_there_are_is_not_claimed(runs, backdoored):
    config = LandscapeConfig(source=backdoored.id, grid=3, samples=5000)
    assert made(config, runs).results["samples"] == 20


def test_held_out_images_are_test_images_and_victims(runs, backdoored):
    source = load_trained(backdoored.id, runs)
    sets = held_out(source.dataset, source.attack, 15, 3, torch.device("cpu"))
    again = held_out(source.dataset, source.attack, 15, 3, torch.device("cpu"))
    assert all(torch.equal(sets[part][0], again[part][0]) for part in sets)
    test = (source.dataset.test.x.float() / 255).flatten(1).tolist()
    x, y = sets["clean"]
    places = [test.index(image) for image in x.flatten(1).tolist()]
    assert len(set(places)) == 15 and source.dataset.test.y[places].tolist() == y.tolist()
    x, y = sets["triggered"]
    victims = source.dataset.test.take(source.attack.victims(source.dataset.test.y))
    stamped = (source.attack.trigger(victims.x).float() / 255).flatten(1).tolist()
    assert all(image in stamped for image in x.flatten(1).tolist()) and set(y.tolist()) == {0}


def test_runs_without_a_model_are_no_source(runs, spectrum):
    with pytest.raises(RunError, match="is a spectrum run and holds no model. Name a train or"):
        load_trained(spectrum.id, runs)


def test_images_that_changed_since_training_are_refused(runs, tmp_path, monkeypatch):
    monkeypatch.setenv("NGF_CACHE", str(tmp_path / "cache"))
    images, folder = written(20, 2, (3, 16, 16), 0), tmp_path / "pictures"
    class_folders(folder, images, ("one", "two"))
    run = made(train_config(dataset="folder", root=str(folder), size=16), runs)
    assert (run.state, run.message) == ("done", "")
    race = made(purify_config(run, "sgd", steps=1), runs)
    picture(images.x[0]).save(folder / "two" / "another.png")
    load_dataset.cache_clear()
    for there in (run, race):
        with pytest.raises(RunError, match=f"images in {folder} are no longer .* train again"):
            load_trained(there.id, runs)
    with pytest.raises(RunError, match="no longer"):
        poisoned_set(run)


def test_weights_that_do_not_fit_are_named(runs, backdoored, monkeypatch):
    tensors = backdoored.tensors("model")
    del tensors["stem.weight"]
    monkeypatch.setattr("ngf_core.runs.Run.tensors", lambda *_: tensors)
    with pytest.raises(RunError, match="weights model.safetensors of run .* do not fit a mini"):
        load_trained(backdoored.id, runs)
