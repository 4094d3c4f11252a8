"""What the tests of the pages are given in place of the science is like what it stands for."""

import types

import numpy as np
import pytest

from ngf_core.config import CONFIGS, TrainConfig, from_json
from ngf_core.errors import ConfigError
from ngf_core.runs.manifest import read_manifest
from ngf_core.trained import poison_preview as real
from tests.support import pretended_science
from tests.support.fabricated_runs import make_run
from tests.support.faked import faked


def area(width: float, height: float = 1.0) -> float:
    return width * height


@pytest.fixture
def place() -> types.ModuleType:
    module = types.ModuleType("place")
    module.area = area
    return module


def test_a_fake_is_called_as_the_real_one_may_be(place, monkeypatch):
    faked(monkeypatch, place, "area", lambda width, height: (width, height))
    assert place.area(3) == (3, 1.0) and place.area(3, height=2) == (3, 2)
    faked(monkeypatch, place, "area", lambda width, height: 7)
    assert place.area(3) == 7
    with pytest.raises(TypeError, match="unexpected keyword argument 'depth'"):
        place.area(3, depth=2)
    with pytest.raises(TypeError, match="missing a required argument: 'width'"):
        place.area()


def test_a_fake_of_other_parameters_is_refused(place, monkeypatch):
    with pytest.raises(TypeError, match=r"place.area takes \(width: float, .*and the fake of it"):
        faked(monkeypatch, place, "area", lambda width: width)
    with pytest.raises(AttributeError, match="volume"):
        faked(monkeypatch, place, "volume", lambda width: width)


@pytest.mark.parametrize("attack", ["badnets", "none"])
def test_the_pretended_preview_has_what_the_real_one_has(attack):
    config = TrainConfig(dataset="digits", attack=attack)
    theirs, ours = (f(config, 8) for f in (real.poison_preview, pretended_science.poison_preview))
    assert list(sorted(theirs)) == list(sorted(ours))
    for name, value in theirs.items():
        assert type(value) is type(ours[name]), name
        if isinstance(value, np.ndarray):
            assert (value.dtype, value.ndim) == (ours[name].dtype, ours[name].ndim), name
            assert len(value) == len(ours[name]), name


def test_the_pretended_preview_refuses_in_the_same_way():
    config = TrainConfig(dataset="digits", attack="clb", poison_rate=0.4)
    for preview in (real.poison_preview, pretended_science.poison_preview):
        with pytest.raises(ConfigError) as caught:
            preview(config, 8)
        assert caught.value.field == "poison_rate"


@pytest.mark.parametrize("state", ["queued", "running", "done", "failed", "cancelled", "lost"])
@pytest.mark.parametrize("kind", CONFIGS)
def test_fabricated_manifests_are_read_as_real_ones(store, kind, state):
    run = make_run(store, kind, state=state)
    manifest = read_manifest(run.path)
    assert from_json(manifest["config"]) == run.config and run.state == state
