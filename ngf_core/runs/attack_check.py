"""Whether an attack is implanted: a defense tested on a backdoor that is not there proves nothing."""

from typing import Any

from ngf_core.attacks import ATTACKS
from ngf_core.config import PurifyConfig, TrainConfig
from ngf_core.errors import NGFError
from ngf_core.runs import Run, RunStore

MAX_ACC_LOSS = 0.03
SHARED = ("dataset", "root", "limit", "size", "arch", "epochs")


def verdict(run: Run, store: RunStore) -> str | None:
    """A sentence where the attack on the run's received model is not implanted, else None.

    It is when ASR reaches the attack's aim (90 %, for a few 80 %) and clean accuracy is at most
    3 points below that of a benign model (same images, architecture and epochs; the same seed if
    there is one). Where no such model is here only ASR is judged. None too for benign models and
    runs without results.
    """
    measured = _received(run, store)
    if measured is None:
        return None
    train, rates = measured
    if train.attack == "none":
        return None
    acc, asr = _value(rates["acc"]), _value(rates["asr"])
    aim = ATTACKS[train.attack].aim
    if asr < aim:
        return (f"ASR is {asr:.1%}, below {aim:.0%}: there is little backdoor to remove. "
                "Train longer, poison more images, or use the default strength.")
    benign = benign_accuracy(train, store)
    if benign is not None and acc < benign - MAX_ACC_LOSS:
        return (f"Clean accuracy is {acc:.1%}, more than {100 * MAX_ACC_LOSS:.0f} points below the "
                f"benign model's {benign:.1%}: the attack is easily noticed. Train longer or "
                "poison fewer images.")
    return None


def benign_accuracy(train: TrainConfig, store: RunStore) -> float | None:
    """Clean accuracy of the benign model trained like `train`, None where there is none here."""
    found = None
    for run in store.list("train"):
        if run.state != "done":
            continue
        config = run.config_as(TrainConfig)
        if config.attack != "none" or any(getattr(config, name) != getattr(train, name)
                                          for name in SHARED):
            continue
        accuracy = _value(run.results["train"]["acc"])
        if config.seed == train.seed:
            return accuracy
        found = accuracy if found is None else found
    return found


def _received(run: Run, store: RunStore) -> tuple[TrainConfig, dict[str, Any]] | None:
    """The training config and the rates of the model that the run is about."""
    try:
        config = run.config
        if isinstance(config, TrainConfig):
            return (config, run.results["train"]) if "train" in run.results else None
        if isinstance(config, PurifyConfig) and "before" in run.results:
            return TrainConfig(**run.results["train_config"]), run.results["before"]
        return _received(store.get(config.source), store)
    except (NGFError, KeyError):
        return None


def _value(rate: dict[str, int]) -> float:
    return rate["hits"] / rate["n"]
