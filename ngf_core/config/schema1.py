"""Configs of schema 1, in which a purification held every method's settings side by side.

There `methods` was a list of names; each method read the fields below, and its other settings were
written as one text, "anp.eps=0.3,ft_sam.rho=1".
"""

from typing import Any

from ngf_core.errors import ConfigError
from ngf_core.purify.registry import PURIFIERS

_FINE_TUNING = {"lr": "finetune_lr", "step_size": "step_size"}
# Which field of the config each setting of a method was.
SHARED: dict[str, dict[str, str]] = {
    "ngf": {name: name for name in ("layer", "fisher", "damping", "kl_bound", "regulariser",
                                    "step_size")},
    "sgd": {name: name for name in ("layer", "lr", "step_size")},
    "finetune": _FINE_TUNING, "ft_sam": _FINE_TUNING, "nad": _FINE_TUNING,
    "fip": _FINE_TUNING | {"fisher": "fisher"}, "fast_fip": {"fisher": "fisher"},
}
# The field's value where an older config does not name it.
LAYER = "blocks.2.conv1"
# What NGF did before it kept a running mean of the Fisher matrix.
FISHER_OF_ONE_BATCH = {"kl_bound": 0.3, "decay": 0.0}
GONE = {field for of in SHARED.values() for field in of.values()} | {"parameters"}


def migrated(config: dict[str, Any]) -> dict[str, Any]:
    """A config of schema 1, as JSON values, as one of schema 2; others are returned as they are.

    Raises ConfigError where its `parameters` cannot be read.
    """
    methods = config.get("methods")
    if config.get("kind") not in ("purify", "layers") or not isinstance(methods, list | tuple):
        return config
    values = {name: value for name, value in config.items() if name not in GONE}
    if config["kind"] == "purify":
        config = {"layer": LAYER} | config
    elif "finetune_lr" in config:
        values["reference_lr"] = config["finetune_lr"]
    own = own_parameters(str(config.get("parameters", "")))
    values["methods"] = {name: {setting: config[field]
                                for setting, field in SHARED.get(name, {}).items()
                                if field in config} | own.get(name, {}) for name in methods}
    if "ngf" in values["methods"]:
        values["methods"]["ngf"] = FISHER_OF_ONE_BATCH | values["methods"]["ngf"]
    for name in set(methods) & {"fip", "fast_fip"}:
        # They took every kind but this one for the true Fisher matrix.
        if config.get("fisher") in ("kfac", "diagonal"):
            values["methods"][name]["fisher"] = "true"
    return values


def own_parameters(text: str) -> dict[str, dict[str, Any]]:
    """{"anp": {"eps": 0.3}} of "anp.eps=0.3"; ConfigError for text of another form."""
    given: dict[str, dict[str, Any]] = {}
    for part in filter(None, text.replace(" ", "").split(",")):
        name, _, value = part.partition("=")
        method, _, setting = name.partition(".")
        try:
            kind = PURIFIERS[method].settings.__dataclass_fields__[setting].type
            number = float(value)
        except (KeyError, ValueError):
            raise ConfigError("parameters", f"{part!r} does not name a method's parameter and a "
                              "number", "They were written as anp.eps=0.3,ft_sam.rho=1.") from None
        given.setdefault(method, {})[setting] = (
            kind(number) if kind in (bool, int) and number.is_integer() else number)
    return given
