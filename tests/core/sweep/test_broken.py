"""What a reader broke: each of these was accepted, or changed what it should not."""

import pytest

from ngf_core.errors import ConfigError, RunError
from ngf_core.launch.alone import alone
from ngf_core.launch.local import LocalLauncher
from ngf_core.launch.settings import LaunchSettings
from ngf_core.runs import RunStore
from ngf_core.sweep.grid import grid_of
from ngf_core.sweep.sweep import Sweep, sweep_in

ASKED = {"attacks": ["badnets"], "methods": ["sgd"], "networks": ["mini_preact_resnet"]}


@pytest.mark.parametrize("wrong", [{"epochs": 501}, {"limit": 10**8}, {"epochs": 10**400}])
def test_a_number_no_training_takes_is_refused_before_any_job(wrong):
    with pytest.raises(ConfigError, match=r"is not a whole number from . to"):
        grid_of(ASKED | wrong)


def test_a_refused_sweep_leaves_that_of_the_folder(tmp_path):
    store, launch = RunStore(tmp_path), LaunchSettings()
    first = Sweep(store, grid_of(ASKED), launch)
    first.keep()
    with alone(first.folder), pytest.raises(RunError, match="Another process"):
        Sweep(store, grid_of(ASKED | {"seeds": [7]}), launch).submit(LocalLauncher())
    assert sweep_in(tmp_path).grid == first.grid
