"""Whether an attack is implanted: a defense tested on no backdoor proves nothing."""

from collections.abc import Mapping
from typing import Any

from ngf_core.attacks import EVERY_ATTACK, PAINTED, AttackEntry
from ngf_core.config import ModelConfig, TrainConfig
from ngf_core.config.imported import GIVEN
from ngf_core.errors import NGFError
from ngf_core.runs import Run, RunStore
from ngf_core.runs.lineage import received_rates, training_of

MAX_ACC_LOSS = 0.03
SHARED = ("dataset", "root", "limit", "size", "arch", "epochs")


def verdict(run: Run, store: RunStore) -> str | None:
    """A sentence where the attack on the run's received model is not implanted, else None.

    It is implanted when ASR reaches the attack's aim (90 %, for a few 80 %) and clean accuracy is
    at most 3 points below that of a benign model (same images, architecture and epochs; the same
    seed if there is one). Where no such model exists only ASR is judged. Also None for benign
    models and runs without results.
    """
    try:
        train, rates = training_of(run, store), received_rates(run, store)
    except NGFError:
        return None
    if train.attack == "none" or rates is None or rates.asr is None:
        return None
    aim = aim_of(train.attack)
    if rates.asr.value < aim:
        return (f"ASR is {rates.asr.percent()}, below {100 * aim:.0f} %: there is little backdoor "
                f"to remove. {_remedy(train)}")
    benign = benign_accuracy(train, store)
    if benign is not None and rates.acc.value < benign - MAX_ACC_LOSS:
        return (f"Clean accuracy is {rates.acc.percent()}, more than {100 * MAX_ACC_LOSS:.0f} "
                f"points below the benign model's {100 * benign:.1f} %: the attack is easily "
                "noticed. Train longer or poison fewer images.")
    return None


def _remedy(train: ModelConfig) -> str:
    """What to do where ASR is too low: nobody here can train an imported model again."""
    if train.attack == PAINTED and isinstance(train, TrainConfig):
        return "Train longer, poison more images, or paint a trigger that is larger or less faint."
    if isinstance(train, TrainConfig):
        return "Train longer, poison more images, or use the default strength."
    made = ("the triggered images" if train.attack == GIVEN else
            "the attack, its strength and its parameters")
    return (f"Check that {made} and the target label are those of this model, and its "
            "normalisation; else it has no such backdoor.")


def benign_accuracy(train: ModelConfig, store: RunStore) -> float | None:
    """Clean accuracy of the benign model trained like `train`, None where there is no such run, and
    for an imported model, of whose training nothing is known."""
    found = None
    if not isinstance(train, TrainConfig):
        return None
    for run in store.list("train"):
        if run.state != "done":
            continue
        config = run.config_as(TrainConfig)
        if config.attack != "none" or any(getattr(config, name) != getattr(train, name)
                                          for name in SHARED):
            continue
        try:
            rates = received_rates(run, store)
        except NGFError:
            continue  # another run's damage is not this one's
        if rates is None:
            continue
        accuracy = rates.acc.value
        if config.seed == train.seed:
            return accuracy
        found = accuracy if found is None else found
    return found


def aim_in(results: Mapping[str, Any]) -> float:
    """The ASR from which the attack behind a purification or layer map counts as implanted, by its
    results; the usual aim where they do not name a known attack."""
    return aim_of(results.get("train_config", {}).get("attack"))


def aim_of(attack: str | None) -> float:
    """The ASR from which that attack counts as implanted; the usual one where it is not known."""
    entry = EVERY_ATTACK.get(attack) if attack else None
    return entry.aim if entry else AttackEntry.aim
