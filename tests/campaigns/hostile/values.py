"""What Hypothesis makes of settings: values of every JSON type, and texts that mean something
elsewhere."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.campaigns.hostile.case import TAKEN, Give

TEXTS = ("", " ", "nan", "inf", "-inf", "1e999", "-1", "0x10", "1_000", "9" * 5000, "1e400", "None",
         "../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "~", "a\0b", "a\nb",
         "<script>alert(1)</script>", "![x](http://evil.example/x.png)", "[x](http://evil.example)",
         "'; drop table", "$(touch EXECUTED)", "`touch EXECUTED`", "{{7*7}}", "%s%n",
         "\u202e", "\ud83d\ude00", "x" * 5000, "ngf,sgd,,", "latest", "true",
         "{0.__class__}", "٣", "--help", "-")
texts = st.sampled_from(TEXTS) | st.text(max_size=40)
numbers = (st.integers() | st.floats() | st.booleans()
           | st.sampled_from((10**400, -10**400, 2**63, 1e308, -0.0)))
anything = st.recursive(st.none() | numbers | texts, lambda inner: st.lists(
    inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=8)


def holding(strategy: Any, check: Callable[[Any], None], examples: int, number: int) -> Give:
    """Give `examples` values to a check that raises where one is not refused as it has to be."""
    def give(folder: Path) -> str:
        @seed(number)
        @settings(max_examples=examples, database=None, deadline=None, print_blob=False,
                  suppress_health_check=list(HealthCheck),
                  phases=(Phase.explicit, Phase.generate, Phase.shrink))
        @given(strategy)
        def all_hold(value: Any) -> None:
            check(value)

        all_hold()
        return TAKEN
    return give


def refused(error: type[Exception]) -> Any:
    """Swallow the error for people; all others pass, and fail the case."""
    return suppress(error)
