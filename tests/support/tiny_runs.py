"""Here `signs` and the mini are tiny; real runs are made once for all tests of a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from ngf_core.config import Config, PurifyConfig, TrainConfig
from ngf_core.config.methods import made as methods_of
from ngf_core.config.methods import with_layer
from ngf_core.data import DATASETS, dataset
from ngf_core.execute import worker
from ngf_core.models import preact_resnet
from ngf_core.models.build import tunable_layer_names
from ngf_core.runs import Run, RunStore
from ngf_core.runs.names import ZOO_ARCH
from ngf_core.scaling.network import network_of
from tests.support import tiny_signs

# What is remembered of data sets and networks by name.
REMEMBERED = (dataset.load_dataset, dataset.outline, network_of, tunable_layer_names)


@pytest.fixture(scope="module")
def tiny_data() -> Iterator[None]:
    """`tiny` for the module's tests."""
    with tiny():
        yield


@contextmanager
def tiny() -> Iterator[None]:
    """Within it the data set `signs`, the mini network and the zoo's are tiny."""
    with pytest.MonkeyPatch.context() as patch:
        entry = replace(DATASETS["signs"], where=f"{tiny_signs.__name__}:load")
        patch.setitem(DATASETS, "signs", entry)
        patch.setattr(dataset, "TEST_IMAGES", tiny_signs.TEST_IMAGES)
        patch.setitem(preact_resnet.STAGES, "mini_preact_resnet", (4, (1, 1, 1)))
        patch.setitem(preact_resnet.STAGES, ZOO_ARCH, (4, (2, 2, 2, 2)))
        _forget()
        yield
    _forget()


def _forget() -> None:
    for remembered in REMEMBERED:
        remembered.cache_clear()


@pytest.fixture(scope="module")
def runs(tiny_data: None, tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return RunStore(tmp_path_factory.mktemp("execute") / "runs")


def made(config: Config, store: RunStore) -> Run:
    """The run of `config` through the worker's frame, in this process."""
    run = store.create(config)
    worker.work(run, store)
    return run


def train_config(**changes: object) -> TrainConfig:
    return TrainConfig(**{"epochs": 1, "batch_size": 64, "precision": "float32",
                          "strength": "published"} | changes)


def purify_config(source: Run, *names: str, layer: str = "blocks.2.conv1", own: dict | None = None,
                  **changes: object) -> PurifyConfig:
    """A short race of the methods `names`, NGF and SGD by default; own: their settings by name."""
    methods = with_layer(methods_of(names or ("ngf", "sgd"), own or {}), layer)
    return PurifyConfig(**{"source": source.id, "methods": methods, "steps": 3, "batch_size": 16}
                        | changes)


@pytest.fixture(scope="module")
def backdoored(runs: RunStore) -> Run:
    return made(train_config(), runs)


@pytest.fixture(scope="module")
def benign(runs: RunStore) -> Run:
    return made(train_config(attack="none"), runs)


@pytest.fixture(scope="module")
def race(runs: RunStore, backdoored: Run) -> Run:
    return made(purify_config(backdoored), runs)
