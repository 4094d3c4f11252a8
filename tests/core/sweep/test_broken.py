"""What a reader broke: each of these was accepted, or changed what it should not."""

import json

import pytest

from ngf_core.errors import ConfigError, RunError
from ngf_core.launch.alone import alone
from ngf_core.launch.batches import LOCAL, batches, keep_batch, new_batch
from ngf_core.launch.local import LocalLauncher
from ngf_core.launch.settings import LaunchSettings
from ngf_core.runs import RunStore
from ngf_core.sweep.grid import grid_of, read_grid
from ngf_core.sweep.sweep import Sweep, sweep_in

ASKED = {"attacks": ["badnets"], "methods": ["sgd"], "networks": ["mini_preact_resnet"]}


@pytest.mark.parametrize("wrong", [{"epochs": 501}, {"limit": 10**8}, {"epochs": 10**400}])
def test_a_number_no_training_takes_is_refused_before_any_job(wrong):
    with pytest.raises(ConfigError, match=r"is not a whole number from . to"):
        grid_of(ASKED | wrong)


@pytest.mark.parametrize("text", [f"limit = {'9' * 5000}", f"attacks = {'[' * 5000}"],
                         ids=["five thousand digits", "five thousand brackets"])
def test_a_file_that_python_gives_up_on_is_refused_in_a_sentence(tmp_path, text):
    (tmp_path / "grid.toml").write_text(text)
    with pytest.raises(ConfigError, match="grid.toml: is not TOML"):
        read_grid(tmp_path / "grid.toml")


def test_a_grid_of_notepad_is_read(tmp_path):
    (tmp_path / "grid.toml").write_text('attacks = ["badnets"]\nmethods = ["sgd"]\n',
                                        encoding="utf-8-sig")
    assert read_grid(tmp_path / "grid.toml").attacks == ("badnets",)


@pytest.mark.parametrize("damage", [
    {"runs": [[1]]}, {"runs": "abc"}, {"submitted": None}, {"submitted": 3}, {"pid": "x"},
    {"pid": -5}, {"pid_started": "x"}, {"launcher": "pbs"}, {"job": 7}, {"other": 1}], ids=str)
def test_a_damaged_batch_is_a_sentence(tmp_path, damage):
    keep_batch(tmp_path, new_batch(LOCAL, ["a"]))
    (file,) = tmp_path.glob("ngf-*.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | damage))
    with pytest.raises(RunError, match="it tells which runs were submitted to which jobs"):
        batches(tmp_path)
    file.write_text("[" * 100_000)
    with pytest.raises(RunError, match="Restore it from a copy"):
        batches(tmp_path)


def test_a_refused_sweep_leaves_that_of_the_folder(tmp_path):
    store, launch = RunStore(tmp_path), LaunchSettings()
    first = Sweep(store, grid_of(ASKED), launch)
    first.keep()
    with alone(first.folder), pytest.raises(RunError, match="Another process"):
        Sweep(store, grid_of(ASKED | {"seeds": [7]}), launch).submit(LocalLauncher())
    assert sweep_in(tmp_path).grid == first.grid
