"""A config as the command that makes its run."""

import dataclasses
import shlex

from ngf_core.config.kinds import Config


def command_line(config: Config) -> str:
    """The command that makes a run of `config`; settings at their default are left out.

    The tuned layer is always named: without one, another network's is another one.
    """
    words = ["python", "-m", "ngf_core", config.kind]
    words += [config.source] if hasattr(config, "source") else []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name != "source" and (value != field.default or field.name == "layer"):
            values = value if isinstance(value, tuple) else (value,)
            words += ["--" + field.name.replace("_", "-"), *map(str, values)]
    return shlex.join(words)
