"""What a test reads of an opened page."""

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
