"""Every field's bounds, JSON both ways, and the hash."""

import dataclasses
import json
import math

import pytest

from ngf_core.attacks import EVERY_ATTACK
from ngf_core.config import (
    CONFIGS,
    ImportConfig,
    LandscapeConfig,
    LayersConfig,
    PurifyConfig,
    SpectrumConfig,
    TrainConfig,
    config_sha,
    flat,
    from_json,
    to_json,
    validate,
)
from ngf_core.data import AUGMENTATIONS, DATASETS
from ngf_core.errors import ConfigError
from ngf_core.fisher import FISHERS
from ngf_core.models import ARCHITECTURES
from ngf_core.purify import ANP, FIP, FTSAM, NGF, SGD, Budget
from ngf_core.purify.registry import PURIFIERS

# What a config has to name.
NAMED = {TrainConfig: {}, ImportConfig: {"normalisation": "ngf"}}


def usable(cls: type, **changes: object):
    return cls(**NAMED.get(cls, {"source": "a-run"}) | changes)


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


@pytest.mark.parametrize("cls", [cls for cls in CONFIGS.values() if cls is not TrainConfig])
def test_what_has_to_be_named_is_asked_for(cls):
    (name,) = NAMED.get(cls, {"source": ""})
    error = refusal(cls())
    assert error.field == name and "named" in str(error)


@pytest.mark.parametrize(("cls", "field"), [pytest.param(c, f, id=f"{c.kind}-{f.name}")
                                            for c, f in FIELDS])
def test_every_field_is_described(cls, field):
    assert field.metadata["help"]
    bounded = field.metadata["low"] is not None and field.metadata["high"] is not None
    assert bounded or field.metadata["choices"] or field.type in (str, bool)


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
    if field.name == "methods":
        several, make = True, lambda name: PURIFIERS[name].settings()
        wrong = next((name for name in PURIFIERS if name not in choices), None)
    else:
        make, wrong = (lambda name: name), "nonsense"
    for choice in choices:
        validate(usable(cls, **{field.name: (make(choice),) if several else choice}))
    if wrong is None:
        return  # every method may race
    error = refusal(usable(cls, **{field.name: (make(wrong),) if several else wrong}))
    assert error.field == field.name
    assert f"{wrong!r} is unknown. Choose one of {', '.join(choices)}." in str(error)


@pytest.mark.parametrize(("methods", "says"), [
    ((), "is empty"), (NGF(), "is empty or not a list"), ([NGF()], "is empty or not a list"),
    ((NGF(), NGF(kl_bound=1.0)), "ngf, ngf names something twice"),
    ((3,), "3 is not the settings of a method. Give NGF(), ANP(eps=0.3) or another"),
    (("ngf",), "'ngf' is not the settings of a method"), ((NGF,), "is not the settings of a")])
def test_methods_are_settings_of_different_methods(methods, says):
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
    assert choices(TrainConfig, "attack") == {"none", *EVERY_ATTACK}
    assert choices(PurifyConfig, "methods") == set(PURIFIERS)
    assert choices(LayersConfig, "methods") == {"ngf", "sgd"}
    assert choices(PurifyConfig, "augment") == set(AUGMENTATIONS)
    assert choices(Budget, "augment") == {"auto", *AUGMENTATIONS}
    assert choices(NGF, "fisher") == set(FISHERS)
    assert choices(FIP, "fisher") == {"true", "empirical"}


def test_a_layer_map_names_no_layer():
    error = refusal(LayersConfig(source="a", methods=(NGF(), SGD(layer="linear"))))
    assert "layer: a layer map tunes every layer, one at a time. Name none" in str(error)


def test_a_runs_budget_is_what_methods_are_handed():
    config = PurifyConfig(source="a", steps=7, batch_size=12, pool=3, seed=5, augment="crop")
    assert config.budget == Budget(steps=7, batch_size=12, pool=3, seed=5, augment="crop")
    assert type(config.budget) is Budget and LayersConfig(source="a").budget.steps == 40


def test_all_settings_by_one_name_each():
    named = flat(PurifyConfig(source="a", methods=(ANP(eps=0.3), SGD(lr=0.5))))
    assert named["methods"] == ("anp", "sgd") and named["source"] == "a"
    assert (named["anp.eps"], named["sgd.lr"], named["sgd.layer"]) == (0.3, 0.5, "last")
    assert "ngf.layer" not in named and flat(TrainConfig())["epochs"] == TrainConfig.epochs


@pytest.mark.parametrize("config", [
    TrainConfig(attack="sig", lr=0.05, seed=3), PurifyConfig(source="a", methods=(SGD(lr=1),)),
    PurifyConfig(source="a", methods=(FTSAM(per_neuron=True), NGF(layer="stem", kl_bound=2))),
    LayersConfig(source="a", methods=(NGF(damping=0.2),)),
    SpectrumConfig(source="b", k=2), LandscapeConfig(source="c", span=0.5)],
    ids=lambda config: type(config).__name__)
def test_json_both_ways(config):
    text = json.dumps(to_json(config), allow_nan=False)
    again = from_json(json.loads(text))
    assert again == config and type(again) is type(config)
    assert config_sha(again) == config_sha(config)


def test_what_json_leaves_out_is_the_default():
    assert from_json({"kind": "train", "seed": 5}) == TrainConfig(seed=5)


def test_reading_leaves_the_given_values_alone():
    values = {"kind": "purify", "source": "a", "methods": {"ngf": {"kl_bound": 1}}}
    config = from_json(values)
    assert config.methods == (NGF(kl_bound=1.0),)
    assert values == {"kind": "purify", "source": "a", "methods": {"ngf": {"kl_bound": 1}}}


def test_the_methods_stand_in_json_by_name_in_their_order():
    one = PurifyConfig(source="a", methods=(SGD(), NGF(kl_bound=1)))
    written = to_json(one)["methods"]
    assert list(written) == ["sgd", "ngf"] and written["ngf"]["kl_bound"] == 1.0
    assert written["sgd"] == {"layer": "last", "lr": 0.0, "step_size": "given"}
    other = PurifyConfig(source="a", methods=(NGF(kl_bound=1), SGD()))
    assert from_json(to_json(other)) == other != one
    assert config_sha(one) != config_sha(other)


@pytest.mark.parametrize(("values", "field", "says"), [
    ({"kind": "bake"}, "kind", "'bake' is unknown. Choose one of train, import, purify, spectrum"),
    ({}, "kind", "None is unknown"),
    ({"kind": "train", "colour": 1}, "colour", "a train run has no such setting. It has dataset,"),
    ({"kind": "train", "epochs": 0}, "epochs", "0 is out of range"),
    ({"kind": "train", "lr": 10**400}, "lr", "is out of range"),
    ({"kind": "train", "dataset": ["signs"]}, "dataset", "is not text"),
    ({"kind": "purify", "source": "a", "methods": "ngf"}, "methods", "does not give the settings"),
    ({"kind": "purify", "source": "a", "methods": ["ngf"]}, "methods", "does not give the setti"),
    ({"kind": "purify", "source": "a", "methods": {"ngf": 3}}, "methods", "does not give the se"),
    ({"kind": "purify", "source": "a", "methods": {}}, "methods", "is empty"),
    ({"kind": "purify", "source": "a", "methods": {"bleach": {}}}, "methods", "'bleach' is unkn"),
    ({"kind": "purify", "source": "a", "methods": {"ngf": {"eps": 1}}}, "ngf.eps",
     "ngf has no such setting. It has layer, fisher"),
    ({"kind": "purify", "source": "a", "methods": {"ngf": {"damping": 0}}}, "ngf.damping",
     "0 is out of range"),
    ({"kind": "purify", "source": "a", "kl_bound": 1}, "kl_bound", "no such setting"),
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
        other = (not value if field.type is bool else value + 1 if field.type in (int, float)
                 else value[1:] if isinstance(value, tuple) else value + "x")
        hashes.add(config_sha(usable(cls, **{field.name: other})))
    assert len(hashes) == 1 + len(dataclasses.fields(cls))


@pytest.mark.parametrize("name", PURIFIERS)
def test_every_setting_of_a_method_changes_the_hash(name):
    cls, words = PURIFIERS[name].settings, {"layer": "linear"}
    hashes = {config_sha(PurifyConfig(source="a", methods=(cls(),)))}
    for field in dataclasses.fields(cls):
        meta = field.metadata
        other = (not field.default if field.type is bool else meta["choices"][-1]
                 if meta["choices"] else words.get(field.name, meta["high"]))
        other = meta["low"] if other == field.default else other
        hashes.add(config_sha(PurifyConfig(source="a", methods=(cls(**{field.name: other}),))))
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


def test_a_layer_map_chooses_no_step_size():
    with pytest.raises(ConfigError, match="a layer map chooses no step size. Use 'given'") as error:
        validate(LayersConfig(source="a", methods=(NGF(step_size="chosen"),)))
    assert error.value.field == "ngf.step_size"
