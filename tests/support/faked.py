"""A fake that cannot drift from what it stands for."""

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any
from unittest.mock import create_autospec

import pytest


def faked(patch: pytest.MonkeyPatch, where: ModuleType, name: str,
          does: Callable[..., Any]) -> None:
    """Let `does` answer in place of the function `where.name`.

    Raises AttributeError where there is no such function, and at a call TypeError where the real
    one could not be called like that. TypeError too where `does` names other parameters; it is
    called with all of them.
    """
    found = getattr(where, name)
    real = inspect.unwrap(getattr(found, "stands_for", found))  # a fake may replace a fake
    theirs = inspect.signature(real)
    if list(inspect.signature(does).parameters) != list(theirs.parameters):
        raise TypeError(f"{where.__name__}.{name} takes {theirs}, and the fake of it "
                        f"{inspect.signature(does)}")

    def answer(*given: Any, **named: Any) -> Any:
        bound = theirs.bind(*given, **named)
        bound.apply_defaults()
        return does(*bound.args, **bound.kwargs)

    fake = create_autospec(real, side_effect=answer)
    fake.stands_for = real
    patch.setattr(where, name, fake)
