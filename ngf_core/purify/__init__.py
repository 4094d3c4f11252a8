"""Methods that purify a backdoored model on a few clean images."""

from importlib import import_module
from typing import Any

from ngf_core.purify.registry import PURIFIERS


def __getattr__(name: str) -> Any:
    """`purify`, `Purification` and each method's settings, `NGF`; loaded on demand, as they need
    torch and the table above does not."""
    if name in _on_demand():
        return getattr(import_module("ngf_core.library"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_on_demand()})


def _on_demand() -> list[str]:
    return ["purify", "Purification", *(entry.class_name for entry in PURIFIERS.values())]
