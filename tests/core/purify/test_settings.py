"""Each method's own settings: written out, checked at once, and the same class everywhere."""

import inspect
import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict, dataclass, fields, replace
from importlib import import_module
from pathlib import Path

import pytest

from ngf_core import purify as package
from ngf_core.errors import ConfigError
from ngf_core.purify import ANP, FIP, FTSAM, NGF, FastFIP, FineTuning
from ngf_core.purify.method import purifier
from ngf_core.purify.registry import LAYERED, PURIFIERS
from ngf_core.purify.settings import MethodSettings
from ngf_core.purify.step import Diverged
from tests.support.planted_backdoor import coloured_set, planted
from tests.support.tiny_models import asked

ROOT = Path(__file__).parents[3]
METHODS = pytest.mark.parametrize("name", PURIFIERS)
CLASSES = {name: entry.settings for name, entry in PURIFIERS.items()}
FIELDS = [pytest.param(cls, field, id=f"{name}.{field.name}")
          for name, cls in CLASSES.items() for field in fields(cls)]


@METHODS
def test_there_is_one_class_per_method_under_one_name(name):
    cls = CLASSES[name]
    assert cls.method == name and issubclass(cls, MethodSettings)
    assert getattr(package, cls.__name__) is cls and cls.__name__ in package.__all__
    assert getattr(import_module(f"ngf_core.purify.methods.{name}"), cls.__name__) is cls


def test_the_package_has_no_other_names():
    assert set(package.__all__) == {cls.__name__ for cls in CLASSES.values()} | {"Budget"}
    assert "__getattr__" not in vars(package), "names that only a program can see"


@pytest.mark.parametrize(("cls", "field"), FIELDS)
def test_every_field_is_described_and_bounded(cls, field):
    meta = field.metadata
    assert meta["help"] and field.default is not None
    bounded = meta["low"] is not None and meta["high"] is not None
    assert bounded or meta["choices"] or field.type is bool or field.name == "layer"


@pytest.mark.parametrize(("cls", "field"), [p for p in FIELDS if p.values[1].type in (int, float)])
def test_bounds_are_closed_and_kept(cls, field):
    low, high = field.metadata["low"], field.metadata["high"]
    for value in (low, high):
        assert getattr(cls(**{field.name: value}), field.name) == value
    step = 1 if field.type is int else 1e-9
    for value in (low - step * max(1, abs(low)), high + step * max(1, abs(high))):
        with pytest.raises(ConfigError, match="out of range. Use a number from") as caught:
            cls(**{field.name: value})
        assert caught.value.field == f"{cls.method}.{field.name}"


@pytest.mark.parametrize(("make", "sentence"), [
    (lambda: NGF(fisher="best"), "ngf.fisher: 'best' is unknown. Choose one of true"),
    (lambda: NGF(momentum=2.0), "ngf.momentum: 2.0 is out of range"),
    (lambda: NGF(absolute=1), "ngf.absolute: 1 is not true or false. Use true or false"),
    (lambda: NGF(layer=None), "ngf.layer: None is not text"),
    (lambda: NGF(every=1.5), "ngf.every: 1.5 is not a whole number"),
    (lambda: ANP(eps="much"), "anp.eps: 'much' is not a finite number. Use a number from 0.0"),
    (lambda: ANP(eps=float("nan")), "anp.eps: nan is not a finite number"),
    (lambda: replace(FineTuning(), step_size="guessed"), "finetune.step_size: 'guessed' is unkno")])
def test_a_setting_that_cannot_be_is_refused_at_once(make, sentence):
    with pytest.raises(ConfigError, match=sentence):
        make()


def test_settings_are_frozen_named_and_their_own():
    assert repr(ANP(eps=0.3)).startswith("ANP(eps=0.3")
    assert list(inspect.signature(NGF).parameters)[:2] == ["layer", "fisher"]
    with pytest.raises(FrozenInstanceError):
        ANP().eps = 1
    for wrong in (lambda: NGF(kl_bund=3), lambda: ANP(fisher="kfac"), lambda: NGF("linear")):
        with pytest.raises(TypeError):
            wrong()
    assert FTSAM() != FineTuning() and hash(FTSAM()) == hash(FTSAM())


@METHODS
def test_a_method_reads_its_settings_and_all_of_them(name):
    """With every value moved, each field is read at least once under one of a few ways to work."""
    cls, read = CLASSES[name], set()
    names = {field.name for field in fields(cls)}

    @dataclass(frozen=True, kw_only=True)
    class Watched(cls):
        def __getattribute__(self, key):
            if key in names and sys._getframe(1).f_code.co_name not in (
                    "replace", "_replace", "check_fields"):
                read.add(key)
            return super().__getattribute__(key)

    kinds = next((f.metadata["choices"] for f in fields(cls) if f.name == "fisher"), ("",))
    for changes in ({}, {"step_size": "chosen"}, {"fisher": kinds[min(2, len(kinds) - 1)]},
                    {"released": True}):
        own, budget = asked(name, augment="none", batch_size=64, steps=24, **{
            key: value for key, value in changes.items() if key in names})
        try:
            for _ in purifier(name)(planted(), coloured_set(), Watched(**asdict(own)), budget):
                pass
        except Diverged:
            pass
    assert read == names


def test_the_layered_methods_are_those_with_a_layer():
    assert set(LAYERED) == {name for name, cls in CLASSES.items()
                            if "layer" in cls.__dataclass_fields__} == {"ngf", "sgd"}


def test_settings_load_no_torch():
    code = "import sys, ngf_core.purify; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
                          timeout=60)
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.parametrize("cls", [FIP, FastFIP])
@pytest.mark.parametrize("kind", ["kfac", "diagonal"])
def test_a_fisher_matrix_that_a_method_cannot_take_is_refused(cls, kind):
    with pytest.raises(ConfigError, match=f"'{kind}' is unknown. Choose one of true, empirical"):
        cls(fisher=kind)
