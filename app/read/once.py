"""Results of pure functions, made once in a process and shared by all its sessions."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import streamlit as st

P = ParamSpec("P")
T = TypeVar("T")


def once(made: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """made(*args, **named), computed once for equal arguments: a class that opens one page waits
    for its figures once.

    `made` must depend on its arguments alone. All sessions get the same object: do not write into
    it. The 256 results used last are kept. Streamlit compares samples only of a frame of 50,000
    rows or an array of 500,000 numbers: pass none so large.
    """
    return _once(f"{made.__module__}.{made.__qualname__}", args, named, made)


@st.cache_resource(max_entries=256, show_spinner=False)
def _once(name: str, args: tuple[Any, ...], named: dict[str, Any],
          _made: Callable[..., Any]) -> Any:
    return _made(*args, **named)
