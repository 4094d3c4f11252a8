"""Every field's bounds, JSON both ways, and the hash."""

import dataclasses
import json
import math

import pytest

from ngf_core.attacks import ATTACKS
from ngf_core.config import (
    CONFIGS,
    LandscapeConfig,
    PurifyConfig,
    SpectrumConfig,
    TrainConfig,
    config_sha,
    from_json,
    to_json,
    validate,
)
from ngf_core.data import AUGMENTATIONS, DATASETS
from ngf_core.errors import ConfigError
from ngf_core.fisher import FISHERS
from ngf_core.models import ARCHITECTURES
from ngf_core.purify.registry import PURIFIERS


def usable(cls: type, **changes: object):
    if cls is not TrainConfig:
        changes = {"source": "a-run"} | changes
    return cls(**changes)


def refusal(config) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        validate(config)
    return caught.value


FIELDS = [(cls, f) for cls in CONFIGS.values() for f in dataclasses.fields(cls)]
NUMBERS = [pytest.param(cls, f, id=f"{cls.kind}-{f.name}") for cls, f in FIELDS
           if f.type in (int, float)]
CHOICES = [pytest.param(cls, f, id=f"{cls.kind}-{f.name}") for cls, f in FIELDS
           if f.metadata["choices"]]


@pytest.mark.parametrize("cls", CONFIGS.values(), ids=list(CONFIGS))
def test_defaults_are_usable(cls):
    validate(usable(cls))


@pytest.mark.parametrize(("cls", "field"), [pytest.param(c, f, id=f"{c.kind}-{f.name}")
                                            for c, f in FIELDS])
def test_every_field_is_described(cls, field):
    assert field.metadata["help"]
    bounded = field.metadata["low"] is not None and field.metadata["high"] is not None
    assert bounded or field.metadata["choices"] or field.type is str


@pytest.mark.parametrize(("cls", "field"), NUMBERS)
def test_bounds_are_closed_and_kept(cls, field):
    low, high = field.metadata["low"], field.metadata["high"]
    for value in (field.type(low), field.type(high)):
        validate(usable(cls, **{field.name: value}))
    step = 1 if field.type is int else 1e-9
    for value in (low - step * max(1, abs(low)), high + step * max(1, abs(high))):
        error = refusal(usable(cls, **{field.name: field.type(value)}))
        assert error.field == field.name
        assert str(error).endswith(f"is out of range. Use a number from {low} to {high}.")


@pytest.mark.parametrize(("cls", "field"), NUMBERS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "3", None, True, 10**400])
def test_what_is_no_number_is_refused(cls, field, value):
    assert refusal(usable(cls, **{field.name: value})).field == field.name


def test_a_fraction_is_no_count():
    assert "2.0 is not a whole number" in str(refusal(TrainConfig(epochs=2.0)))
    validate(TrainConfig(lr=1))


@pytest.mark.parametrize(("cls", "field"), CHOICES)
def test_choices_are_kept_and_listed(cls, field):
    choices, several = field.metadata["choices"], field.type is not str
    for choice in choices:
        validate(usable(cls, **{field.name: (choice,) if several else choice}))
    error = refusal(usable(cls, **{field.name: ("nonsense",) if several else "nonsense"}))
    assert error.field == field.name
    assert f"'nonsense' is unknown. Choose one of {', '.join(choices)}." in str(error)


@pytest.mark.parametrize(("methods", "says"), [
    ((), "is empty"), ("ngf", "is empty or not a list"), (["ngf"], "is empty or not a list"),
    (("ngf", "ngf"), "ngf, ngf names something twice"), ((3,), "3 is unknown")])
def test_methods_are_a_list_of_different_names(methods, says):
    assert says in str(refusal(usable(PurifyConfig, methods=methods)))


@pytest.mark.parametrize("cls", [PurifyConfig, SpectrumConfig, LandscapeConfig])
def test_a_source_must_be_named(cls):
    assert "no run is named. Give the id of a finished run" in str(refusal(cls()))
    assert "3 is not text" in str(refusal(cls(source=3)))


def test_choices_are_what_is_registered():
    def choices(cls: type, name: str) -> set[str]:
        return set(cls.__dataclass_fields__[name].metadata["choices"])

    assert choices(TrainConfig, "dataset") == set(DATASETS)
    assert choices(TrainConfig, "arch") == set(ARCHITECTURES)
    assert choices(TrainConfig, "attack") == {"none", *ATTACKS}
    assert choices(PurifyConfig, "methods") == set(PURIFIERS)
    assert choices(PurifyConfig, "augment") == set(AUGMENTATIONS)
    assert choices(PurifyConfig, "fisher") == set(FISHERS)


@pytest.mark.parametrize("config", [
    TrainConfig(attack="sig", lr=0.05, seed=3), PurifyConfig(source="a", methods=("sgd",)),
    SpectrumConfig(source="b", k=2), LandscapeConfig(source="c", span=0.5)],
    ids=lambda config: config.kind)
def test_json_both_ways(config):
    text = json.dumps(to_json(config), allow_nan=False)
    again = from_json(json.loads(text))
    assert again == config and type(again) is type(config)
    assert config_sha(again) == config_sha(config)


def test_what_json_leaves_out_is_the_default():
    assert from_json({"kind": "train", "seed": 5}) == TrainConfig(seed=5)


def test_reading_leaves_the_given_values_alone():
    values = {"kind": "purify", "source": "a", "methods": ["ngf"]}
    from_json(values)
    assert values == {"kind": "purify", "source": "a", "methods": ["ngf"]}


@pytest.mark.parametrize(("values", "field", "says"), [
    ({"kind": "bake"}, "kind", "'bake' is unknown. Choose one of train, purify, spectrum, land"),
    ({}, "kind", "None is unknown"),
    ({"kind": "train", "colour": 1}, "colour", "a train run has no such setting. It has dataset,"),
    ({"kind": "train", "epochs": 0}, "epochs", "0 is out of range"),
    ({"kind": "train", "lr": 10**400}, "lr", "is out of range"),
    ({"kind": "train", "dataset": ["signs"]}, "dataset", "is not text"),
    ({"kind": "purify", "source": "a", "methods": "ngf"}, "methods", "no list"),
])
def test_bad_json_says_where(values, field, says):
    with pytest.raises(ConfigError) as caught:
        from_json(values)
    assert caught.value.field == field and says in str(caught.value)


def test_equal_configs_have_one_hash():
    assert config_sha(TrainConfig(lr=1)) == config_sha(TrainConfig(lr=1.0))
    assert len(config_sha(TrainConfig())) == 64


@pytest.mark.parametrize("cls", CONFIGS.values(), ids=list(CONFIGS))
def test_every_field_changes_the_hash(cls):
    hashes = {config_sha(usable(cls))}
    for field in dataclasses.fields(cls):
        value = getattr(usable(cls), field.name)
        other = value + 1 if field.type in (int, float) else value + (value[:1] or "x")
        hashes.add(config_sha(usable(cls, **{field.name: other})))
    assert len(hashes) == 1 + len(dataclasses.fields(cls))


def test_the_hash_without_the_seed_names_the_replicates():
    one, two = TrainConfig(seed=1), TrainConfig(seed=2)
    assert config_sha(one) != config_sha(two)
    assert config_sha(one, without_seed=True) == config_sha(two, without_seed=True)
    other = TrainConfig(epochs=3)
    assert config_sha(one, without_seed=True) != config_sha(other, without_seed=True)


def test_the_hash_is_that_of_the_canonical_json():
    import hashlib

    text = json.dumps(to_json(SpectrumConfig(source="x")), sort_keys=True)
    assert config_sha(SpectrumConfig(source="x")) == hashlib.sha256(text.encode()).hexdigest()


def test_kinds_of_config_do_not_share_a_hash():
    assert config_sha(SpectrumConfig(source="x")) != config_sha(LandscapeConfig(source="x"))
