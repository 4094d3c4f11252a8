"""Buttons that save a drawn figure, with what it was drawn from below it and in its metadata."""

from importlib.resources import files

import streamlit as st

from app.figures.origin import Origin

_HERE = files(__package__)
_css, _js = ((_HERE / f"save_picture.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
_save = st.components.v2.component("ngf_lab_save_picture", css=_css, js=_js)


def save_picture(figure: str, origin: Origin, *, filename: str) -> None:
    """PNG (twice the size, with iTXt chunks) and SVG (with a metadata element) of all charts in the
    element keyed `figure`, as they are drawn in the browser; the server is not asked."""
    _save(key=f"{figure}_save", data={"figure": figure, "filename": filename,
                                      "lines": origin.lines()})
