"""The smallest run of every kind, each with several steps, so that there is something to lose."""

from collections.abc import Callable, Sequence

import torch

from ngf_core.config import (
    Config,
    ImportConfig,
    LandscapeConfig,
    LayersConfig,
    PurifyConfig,
    SpectrumConfig,
    TrainConfig,
)
from ngf_core.config.methods import made, with_layer
from ngf_core.imports.take_in import described
from ngf_core.runs import Run, RunStore
from tests.support.foreign_networks import preact_resnet18
from tests.support.waiting import until

LAYER = "blocks.2.conv1"
TRAIN = TrainConfig(epochs=3, batch_size=64, precision="float32", strength="published")
KINDS = ("train", "import", "purify", "spectrum", "landscape", "layers")


def configs(trained: Run, store: RunStore) -> dict[str, Config]:
    """The settings of one run of each kind; all but train and import start from `trained`."""
    race = with_layer(made(("ngf", "sgd"), {}), LAYER)
    return {
        "train": TRAIN,
        "import": imported(store),
        "purify": PurifyConfig(source=trained.id, methods=race, steps=6, batch_size=16,
                               evaluations=3),
        "spectrum": SpectrumConfig(source=trained.id, samples=10, k=1, bottom=0, probes=3, steps=5,
                                   trace_probes=5, check="none", sharpness="none"),
        "landscape": LandscapeConfig(source=trained.id, samples=10, grid=3, planes=("random",)),
        "layers": LayersConfig(source=trained.id, steps=1, pool=1, batch_size=16,
                               reference="none"),
    }


def imported(store: RunStore) -> ImportConfig:
    """The settings of an import of a network that nobody trained; its file is read here."""
    store.prepare()
    file = store.root / ".foreign.pt"
    torch.save(preact_resnet18(width=4), file)
    asked = ImportConfig(file=str(file), normalisation="imagenet", attack="badnets", anyway=True)
    return described(asked, file, store)[0]


def finished(store: RunStore, start: Callable[[Run], None], kinds: Sequence[str] = KINDS
             ) -> dict[str, Run]:
    """A finished run of each of `kinds` in `store`, and of "train", by kind.

    Raises RuntimeError where one fails.
    """
    trained = _finished(TRAIN, store, start)
    wanted = configs(trained, store)
    return {"train": trained} | {kind: _finished(wanted[kind], store, start)
                                 for kind in kinds if kind != "train"}


def _finished(config: Config, store: RunStore, start: Callable[[Run], None]) -> Run:
    run = store.create(config)
    start(run)
    until(lambda: not run.live, seconds=120)
    if run.state != "done":
        raise RuntimeError(f"the undisturbed {run.kind} run is {run.state}: {run.message}")
    return run
