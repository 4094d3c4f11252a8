"""What a test reads of an opened page, and a click that AppTest has no method for."""

import json
from collections.abc import Mapping
from typing import Any

from streamlit.testing.v1 import AppTest


def address(app: AppTest, name: str) -> str | None:
    """The page's address parameter, whoever wrote it."""
    value = app.query_params.get(name)
    return value[0] if isinstance(value, list) else value


def text_of(app: AppTest) -> str:
    """All the prose of a page: titles, paragraphs, captions and cards."""
    parts = [*app.title, *app.header, *app.markdown, *app.caption, *app.info, *app.success,
             *app.warning, *app.error]
    return " ".join(str(part.value) for part in parts)


def select(app: AppTest, kind: str, place: int, selection: Mapping[str, Any]) -> AppTest:
    """Run the page again as the browser does when `selection` is made in a chart or a table: the
    `place`-th of its `kind`, "echarts_chart", "plotly_chart" or "dataframe"."""
    states = app._tree.get_widget_states()
    states.widgets.add(id=app.get(kind)[place].proto.id,
                       string_value=json.dumps({"selection": selection}))
    return app._run(states)
