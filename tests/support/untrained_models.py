"""Finished runs on the embedded digits whose models answer, though nobody trained them."""

from ngf_core.config import ImportConfig, TrainConfig
from ngf_core.models.build import build_model
from ngf_core.runs import Run, RunStore, RunWriter
from tests.support.foreign_networks import preact_resnet18

DIGITS = {"dataset": "digits"}
SHAPE = (1, 32, 32)


def trained(store: RunStore, **fields) -> Run:
    """A training run whose model is as `build_model` left it."""
    config = TrainConfig(**DIGITS | fields)
    run = store.create(config)
    writer = RunWriter(run)
    writer.begin(threads=1)
    model = build_model(config.arch, SHAPE, 10, config.seed)
    writer.tensors("model", model.state_dict())
    rates = {"acc": {"hits": 990, "n": 1000}, "asr": None, "ra": None}
    if config.attack != "none":
        rates |= {"asr": {"hits": 880, "n": 900}, "ra": {"hits": 9, "n": 900}}
    writer.finish({"train": rates, "poisoned": 304, "train_images": 3800})
    return run


def imported(store: RunStore, **fields) -> Run:
    """An import of a network with random weights."""
    run = store.create(ImportConfig(
        file="theirs.pt", **DIGITS | {"normalisation": "ngf"} | fields))
    writer = RunWriter(run)
    writer.begin(threads=1)
    state = preact_resnet18(channels=1)
    writer.tensors("model", {f"network.{name}": tensor for name, tensor in state.items()})
    writer.finish({"import": {"acc": {"hits": 120, "n": 1000}, "asr": None, "ra": None},
                   "doubts": [], "untold": [], "came_as": {"layers": ["network.linear"]}})
    return run
