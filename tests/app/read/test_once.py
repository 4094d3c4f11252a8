"""What is made once is shared between sessions, and made again where an argument differs."""

import numpy as np
import pandas as pd
import pytest
import streamlit as st

from app.read.once import once

calls: list[object] = []


@pytest.fixture(autouse=True)
def empty():
    calls.clear()
    st.cache_resource.clear()


def total(table: pd.DataFrame, column: str, *, factor: float = 1.0) -> list[float]:
    calls.append(column)
    return [factor * float(table[column].sum())]


def longest(named: dict[str, np.ndarray]) -> list[str]:
    calls.append(tuple(named))
    return [max(named, key=lambda name: len(named[name]))]


def refuses(table: pd.DataFrame) -> None:
    calls.append(len(table))
    raise ValueError("not today")


def table() -> pd.DataFrame:
    return pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})


def test_equal_arguments_share_one_result():
    first = once(total, table(), "a", factor=2.0)
    assert first == [6.0] and once(total, table(), "a", factor=2.0) is first
    assert calls == ["a"]


@pytest.mark.parametrize("change", [
    lambda t: (total, (t.assign(a=[1.0, 3.0]), "a"), {}),
    lambda t: (total, (t.rename(columns={"a": "c", "b": "a"}), "a"), {}),
    lambda t: (total, (t, "b"), {}),
    lambda t: (total, (t, "a"), {"factor": 2.0}),
])
def test_another_argument_is_another_result(change):
    once(total, table(), "a")
    made, args, named = change(table())
    assert once(made, *args, **named) == made(*args, **named) != [3.0]


def test_two_functions_do_not_share():
    data = {"x": np.zeros(3), "y": np.zeros(4)}
    assert once(longest, data) == ["y"]
    assert once(sorted, data) == ["x", "y"]
    assert once(longest, data | {"x": np.zeros(5)}) == ["x"]


def test_an_error_is_not_kept():
    for _ in range(2):
        with pytest.raises(ValueError, match="not today"):
            once(refuses, table())
    assert calls == [2, 2]
