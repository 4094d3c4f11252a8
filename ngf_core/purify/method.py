"""The methods by name."""

from ngf_core.errors import ConfigError
from ngf_core.purify.precision import sound
from ngf_core.purify.registry import PURIFIERS
from ngf_core.purify.step import Purifier
from ngf_core.purify.step_size import with_step_size


def purifier(name: str) -> Purifier:
    """The method called `name`, which chooses its step size first where its settings request it,
    and computes in float32 on models in half precision (see `sound`).

    ConfigError where no method has that name.
    """
    if name not in PURIFIERS:
        raise ConfigError("methods", f"{name!r} is unknown", f"Choose from {', '.join(PURIFIERS)}.")
    entry = PURIFIERS[name]
    tune: Purifier = entry.load()
    return sound(with_step_size(tune) if entry.settings.step_size_of else tune)
