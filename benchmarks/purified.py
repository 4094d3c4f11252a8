"""What purifications leave of a trained model's backdoor, under the benchmark's conditions."""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch

from ngf_core.config import PurifyConfig
from ngf_core.evaluate.test_set import build_test_set, evaluate
from ngf_core.evidence.entrants import CONDITIONS
from ngf_core.purify import Budget
from ngf_core.purify.method import purifier
from ngf_core.purify.settings import MethodSettings
from ngf_core.runs import RunStore, default_store
from ngf_core.runs.store import BENCHMARK
from ngf_core.trained.load import load_trained


@dataclass(frozen=True)
class Purification:
    """A method, the seed of its batches and augmentation, and how images lie in memory."""

    own: MethodSettings
    seed: int = 0
    layout: torch.memory_format = torch.contiguous_format


def trained_models() -> RunStore:
    """The zoo, and the models of `ngf benchmark` that it lacks. Of `signs`, seed 0, the benchmark
    has models of the same name; the zoo's, in half precision, are the same on every machine."""
    store = default_store()
    return RunStore(store.shipped, store.root / BENCHMARK)


def rates_after(run: str, purifications: Iterable[Purification]) -> Iterator[dict[str, float]]:
    """ACC, ASR and RA, as fractions, after each purification of the model that `run` trained.

    Each starts from the model as it was trained. One thread, so that the end repeats.
    """
    torch.set_num_threads(1)
    source = load_trained(run, trained_models())
    clean = source.dataset.clean(PurifyConfig.clean_fraction)
    test = build_test_set(source.dataset.test, source.attack)
    for each in purifications:
        model = copy.deepcopy(source.models["before"])
        model = model.to(memory_format=each.layout)  # type: ignore[call-overload]
        budget = Budget(seed=each.seed, augment="strong", steps=CONDITIONS["steps"],
                        batch_size=CONDITIONS["batch_size"])
        for _ in purifier(each.own.method)(model, clean, each.own, budget):
            pass
        yield {name: rate.value for name, rate in evaluate(model, test).rates().items()}
