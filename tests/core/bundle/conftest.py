"""Reports without Plotly's five megabytes, which are hashed and packed each time."""

from collections.abc import Iterator

import pytest

from ngf_core.bundle import report

PLOTLY = report.plotly_js


@pytest.fixture(scope="session", autouse=True)
def no_plotly() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "plotly_js", lambda: "const Plotly = {};")
        yield
