"""No method is handed a triggered image, a test image, one of the attacker's, or the attack's plan.

In here all of them raise when they are read: the images of the test and the train part, every
attack's trigger, the runs on disk, and the source's id. Each method, alone and in a race, and the
choice of a layer must get along without. That the guard sees a method that peeks is tested first.
"""

import inspect
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch
from torch import Tensor

from ngf_core.attacks import ATTACKS
from ngf_core.attacks.attack import build_attack
from ngf_core.config import PurifyConfig, TrainConfig
from ngf_core.data import dataset as dataset_module
from ngf_core.data.dataset import Dataset, Images
from ngf_core.evaluate.rates import Evaluation, Rate
from ngf_core.execute import purify as race
from ngf_core.layers import choose_layer
from ngf_core.library import purify
from ngf_core.purify import NGF, SGD, Budget
from ngf_core.purify.method import purifier
from ngf_core.purify.methods.sgd import sgd
from ngf_core.purify.registry import LAYERED, PURIFIERS
from ngf_core.purify.settings import MethodSettings
from ngf_core.purify.step import Diverged
from ngf_core.runs import RunStore
from ngf_core.trained import load as sources
from ngf_core.trained.load import TrainedModels
from tests.support.planted_backdoor import coloured_set, planted
from tests.support.tiny_models import asked, clean_set

CLEAN = coloured_set()
SEEN_FROM_OUTSIDE = {Tensor.shape.__get__, Tensor.dtype.__get__, Tensor.ndim.__get__,
                     Tensor.__len__, Tensor.size, Tensor.dim}


class Touched(BaseException):
    """Something was read that no defender has. (Not an Exception: nobody may swallow it.)"""


class Untouchable(Tensor):
    """A tensor whose shape and type may be asked for, and not one of its numbers."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func in SEEN_FROM_OUTSIDE:
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **(kwargs or {}))
        raise Touched(f"{func.__name__} of an image or a label that no defender has")


def touched(*_: Any, **__: Any) -> None:
    raise Touched("a trigger, or a run on disk")


class Secret(str):
    """A text that may be handed on and not read."""

    __eq__ = __str__ = __repr__ = __format__ = __len__ = __iter__ = __getitem__ = touched
    __contains__ = __add__ = __radd__ = split = partition = lower = startswith = find = touched
    __hash__ = str.__hash__


def forbidden(images: Images) -> Images:
    x, y = (t.clone().as_subclass(Untouchable) for t in (images.x, images.y))
    return Images(x, y)


@pytest.fixture
def world(monkeypatch) -> SimpleNamespace:
    """A backdoored model, a data set of which only the reserve can be read, and nothing else."""
    data = Dataset("signs", ("a", "b", "c", "d"), train=forbidden(clean_set(256)), reserve=CLEAN,
                   test=forbidden(clean_set(40)), sha256="0")
    attack = build_attack("badnets", target=3, poison_rate=0.1, seed=0, shape=(3, 8, 8), classes=4)
    for entry in ATTACKS.values():
        for name in ("trigger", "stamped", "fit"):
            monkeypatch.setattr(entry.load(), name, touched)
    for name, module in list(sys.modules.items()):
        if name.startswith("ngf_core") and hasattr(module, "load_dataset"):
            monkeypatch.setattr(module, "load_dataset", lambda *_, **__: data)
    for name in ("get", "list"):
        monkeypatch.setattr(RunStore, name, touched)
    train = TrainConfig(attack="badnets", target=3)
    source = TrainedModels(train, data, attack, {"before": planted()}, "conv2")
    config = PurifyConfig(steps=16, batch_size=16, augment="crop", sharpness="off", evaluations=1,
                          source=Secret("signs-badnets-3"),
                          clean_fraction=len(CLEAN) / (256 + len(CLEAN)))
    return SimpleNamespace(data=data, attack=attack, source=source, config=config)


def own(name: str, **changes: object) -> MethodSettings:
    """Settings that suit a small network."""
    return asked(name, **changes)[0]


def alone(world: SimpleNamespace, name: str) -> None:
    """The method through its iterator; that NAD's published weights diverge here is no matter."""
    with suppress(Diverged):
        list(purifier(name)(planted(), CLEAN, own(name), world.config.budget))


def racing(world: SimpleNamespace, name: str, **changes: object) -> None:
    """The method in a race, with evaluations, which do read test images, replaced."""
    evaluation = Evaluation(Rate(9, 10), Rate(1, 10), Rate(8, 10))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(race, "load_trained", lambda *_: world.source)
        patch.setattr(race, "samples", lambda *_: {})
        patch.setattr(TrainedModels, "test", None)
        patch.setattr(race, "evaluate", lambda *_: evaluation)
        results = race.execute(replace(world.config, methods=(own(name, **changes),)),
                               MagicMock(), MagicMock(part=lambda name: None))
    assert results[name]["steps"] >= 1 and results["clean_images"] == len(CLEAN)


def in_library(world: SimpleNamespace, name: str) -> None:
    """The method through `purify`."""
    with suppress(Diverged):
        purify(planted(), CLEAN, own(name, **{"layer": "auto"} if name in LAYERED else {}),
               Budget(steps=16))


def choosing(world: SimpleNamespace) -> None:
    """The choice of a layer."""
    choose_layer(planted(), CLEAN, world.config.budget, NGF())


WAYS = {"alone": alone, "racing": racing, "in_library": in_library}


# ---- the guard sees


def from_test(model, clean, config):
    return dataset_module.load_dataset("signs").test.x.float()


def from_train(model, clean, config):
    return dataset_module.load_dataset("signs").train.take(torch.arange(8)).x


def labels(model, clean, config):
    return dataset_module.load_dataset("signs").test.y == 3


def with_numpy(model, clean, config):
    return dataset_module.load_dataset("signs").test.x.numpy()


def in_a_loop(model, clean, config):
    return [image for image in dataset_module.load_dataset("signs").test.x]


def by_trigger(model, clean, config):
    attack = build_attack("blend", target=0, poison_rate=0.1, seed=0, shape=clean.shape, classes=4)
    return attack.trigger(clean.x)


def swallowing(model, clean, config):
    try:
        return from_test(model, clean, config)
    except Exception:
        return None


def by_the_runs(model, clean, config):
    return sources.load_trained("latest", RunStore("runs"))


def up_the_stack(model, clean, config):
    """Whatever the callers hold, as far as it has a test part."""
    frame = inspect.currentframe()
    while frame := frame.f_back:
        for value in list(frame.f_locals.values()):
            holder = getattr(value, "dataset", None) or getattr(value, "data", None)
            if isinstance(holder, Dataset):
                return holder.test.x.sum()
    return None


PEEKS = [from_test, from_train, labels, with_numpy, in_a_loop, by_trigger, swallowing, by_the_runs,
         up_the_stack]


def peeking(peek: Callable) -> Callable:
    """SGD that peeks at its third step."""
    def method(model, clean, own, budget):
        for step in sgd(model, clean, SGD(layer=own.layer), budget):
            if step.step == 3:
                peek(model, clean, budget)
            yield step
    return method


@pytest.mark.parametrize("way", ["alone", "racing"])
@pytest.mark.parametrize("peek", PEEKS)
def test_the_guard_sees_a_method_that_peeks(world, monkeypatch, peek, way):
    monkeypatch.setattr(sys.modules[__name__], "peeks", peeking(peek), raising=False)
    entry = replace(PURIFIERS["ngf"], where=f"{__name__}:peeks")
    monkeypatch.setitem(PURIFIERS, "ngf", entry)
    with pytest.raises(Touched):
        WAYS[way](world, "ngf")


@pytest.mark.parametrize("peek", PEEKS)
def test_the_guard_sees_a_choice_that_peeks(world, monkeypatch, peek):
    from ngf_core.layers import choose as auto

    real = auto.sweep

    def looking(model, clean, config, *args, **kwargs):
        peek(model, clean, config)
        return real(model, clean, config, *args, **kwargs)

    monkeypatch.setattr(auto, "sweep", looking)
    with pytest.raises(Touched):
        choosing(world)


def test_what_is_guarded_can_be_counted_and_not_read(world):
    test = world.data.test
    assert len(test) == 40 and test.shape == (3, 8, 8) and test.x.dtype == torch.uint8
    for read in (lambda: test.x[0], lambda: test.x.float(), lambda: test.y.tolist(),
                 lambda: test.x + 1, lambda: torch.cat([test.x]), lambda: test.x.clone(),
                 lambda: CLEAN.x[test.y], lambda: bool((test.x > 3).any()), lambda: test.y.max(),
                 lambda: world.attack.trigger(CLEAN.x)):
        with pytest.raises(Touched):
            read()


# ---- and no method is seen


@pytest.mark.parametrize("name", PURIFIERS)
@pytest.mark.parametrize("way", WAYS)
def test_no_method_reads_what_no_defender_has(world, name, way):
    WAYS[way](world, name)


def test_no_choice_of_a_layer_reads_it(world):
    choosing(world)


def test_choosing_a_layer_and_a_step_size_in_a_race_reads_none_of_it(world):
    racing(world, "ngf", layer="auto", step_size="chosen")


@pytest.mark.parametrize("name", PURIFIERS)
def test_a_method_in_a_race_is_handed_clean_data_its_settings_and_a_budget(world, monkeypatch,
                                                                           name):
    """And nothing of the run: not its source, whose name tells the attack."""
    handed, real = [], purifier(name)

    def watched(model, clean, *rest):
        handed.append((clean, *rest))
        return real(model, clean, *rest)

    monkeypatch.setattr(race, "purifier", lambda _: watched)
    racing(world, name)
    (clean, settings, budget), = handed
    assert type(budget) is Budget and budget == world.config.budget and settings == own(name)
    assert torch.equal(clean.x, CLEAN.x)


@pytest.mark.parametrize("cls", [Budget, *(entry.settings for entry in PURIFIERS.values())])
def test_settings_and_budget_know_nothing_of_the_attack(cls):
    ours, theirs = ({f.name for f in fields(c)} for c in (cls, TrainConfig))
    assert ours & theirs <= {"seed", "batch_size", "lr", "weight_decay"}  # each of their own
    assert not [name for name in ours if any(word in name for word in (
        "target", "poison", "attack", "trigger", "victim", "strength", "test"))]
    for field in fields(cls):
        choices = set(field.metadata["choices"] or ())
        assert not choices & set(ATTACKS), field.name
