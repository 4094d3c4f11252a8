"""Settings of runs as JSON that nobody's form wrote."""

import dataclasses
import json
from typing import Any

from hypothesis import strategies as st

from ngf_core.config import CONFIGS, config_sha, flat, from_json, to_json
from ngf_core.config.command import command_line
from ngf_core.errors import ConfigError
from ngf_core.purify.registry import PURIFIERS
from tests.campaigns.hostile.case import Case, Give
from tests.campaigns.hostile.values import anything, holding, refused, texts

ODD: dict[str, tuple[Any, str]] = {
    "no object": ([], "config: "), "a text": ("train", "config: "), "a number": (5, "config: "),
    "nothing": (None, "config: "), "no kind": ({}, "kind: None is unknown"),
    "a kind that is a list": ({"kind": []}, "kind: "),
    "a kind that is an object": ({"kind": {}}, "kind: "),
    "a kind that there is not": ({"kind": "evil"}, "kind: 'evil' is unknown"),
    "a setting that there is not": ({"kind": "train", "__class__": 1}, "__class__: "),
    "kind twice over": ({"kind": "train", "poison_rate": {}}, "poison_rate: "),
    "a number of 400 digits": ({"kind": "train", "seed": 10**400}, "seed: "),
    "a number that is none": ({"kind": "train", "lr": float("nan")}, "lr: "),
    "a rate without end": ({"kind": "train", "lr": float("inf")}, "lr: "),
    "true for one": ({"kind": "train", "epochs": True}, "epochs: "),
    "a text for a number": ({"kind": "train", "epochs": "5"}, "epochs: "),
    "a list for a text": ({"kind": "train", "dataset": ["signs"]}, "dataset: "),
    "a data set that is a path": ({"kind": "train", "dataset": "../x"}, "dataset: "),
    "a network that is a path": ({"kind": "train", "arch": "/etc/passwd"}, "arch: "),
    "no methods": ({"kind": "purify", "source": "x", "methods": {}}, "methods: "),
    "methods as text": ({"kind": "purify", "source": "x", "methods": "ngf"}, "methods: "),
    "methods as a list": ({"kind": "purify", "source": "x", "methods": ["ngf"]}, "methods: "),
    "a method that there is not": ({"kind": "purify", "source": "x", "methods": {"x": {}}},
                                   "methods: 'x' is unknown"),
    "a method that is a list": ({"kind": "purify", "source": "x", "methods": {"ngf": []}},
                                "methods: "),
    "a setting of no method": ({"kind": "purify", "source": "x", "methods": {"ngf": {"x": 1}}},
                               "ngf.x: "),
    "a method's setting of another type": (
        {"kind": "purify", "source": "x", "methods": {"ngf": {"kl_bound": []}}}, "kl_bound"),
    "a source that is an object": ({"kind": "purify", "source": {}}, "source: "),
    "no source": ({"kind": "spectrum"}, "source: no run is named"),
    "planes that are numbers": ({"kind": "landscape", "source": "x", "planes": [1]}, "planes: "),
    "one plane twice": ({"kind": "landscape", "source": "x", "planes": ["random", "random"]},
                        "planes: "),
    "planes in planes": ({"kind": "landscape", "source": "x", "planes": [["random"]]}, "planes: "),
}


def configs(examples: int, number: int) -> list[Case]:
    """The odd ones, and what Hypothesis makes of each kind."""
    fixed = [Case("configs", name, _said(value), says) for name, (value, says) in ODD.items()]
    drawn = [Case("configs", f"{kind} runs, drawn", holding(_settings(kind), _check, examples,
                                                            number), "taken in", examples=examples)
             for kind in CONFIGS]
    return [*fixed, *drawn, Case("configs", "JSON of any form", holding(
        anything, _check, examples, number), "taken in", examples=examples)]


def _settings(kind: str) -> Any:
    names = [field.name for field in dataclasses.fields(CONFIGS[kind])]
    own = st.dictionaries(st.sampled_from([*PURIFIERS, "x"]), st.dictionaries(
        st.sampled_from(("kl_bound", "lr", "layer", "eps", "decay", "x")), anything, max_size=3)
        | anything, max_size=3)
    base: dict[str, Any] = {"kind": kind} | ({"source": "a"} if "source" in names else {})
    changed = st.dictionaries(st.sampled_from(names) | texts, anything, max_size=3)
    methods = st.fixed_dictionaries({}, optional={"methods": own})
    return st.tuples(changed, methods).map(lambda both: base | both[0] | both[1])


def _check(values: Any) -> None:
    with refused(ConfigError):
        config = from_json(values)
        json.dumps(to_json(config), allow_nan=False)
        assert from_json(to_json(config)) == config
        assert len(config_sha(config)) == 64 and command_line(config) and flat(config)


def _said(values: Any) -> Give:
    def give(folder: object) -> str:
        try:
            from_json(values)
        except ConfigError as error:
            return str(error)
        return "taken in"
    return give
