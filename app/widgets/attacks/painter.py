"""A canvas for painting over a small picture, by mouse, finger, pen or keyboard."""

from importlib.resources import files

import numpy as np
import streamlit as st

_HERE = files(__package__)
_html, _css, _js = ((_HERE / f"painter.{kind}").read_text(encoding="utf-8")
                    for kind in ("html", "css", "js"))
_canvas = st.components.v2.component("ngf_lab_painter", html=_html, css=_css, js=_js)


def painter(image: np.ndarray, name: str, *, label: str, key: str) -> np.ndarray | None:
    """Let `image` (uint8 (C, H, W)) be painted over; the painted picture (1, C, H, W), or None.

    `name` identifies the image: under a new one the canvas starts afresh. Raises NGFError where the
    browser returns anything but a picture of that shape.
    """
    from ngf_core.data.picture import painted, to_base64

    _, height, width = image.shape
    result = _canvas(key=key, default={"painted": None}, on_painted_change=lambda: None,
                     data={"id": name, "width": width, "height": height, "label": label,
                           "pixels": to_base64(image)})
    drawn = result.painted
    if not isinstance(drawn, dict) or drawn.get("of") != name:
        return None
    return painted(str(drawn.get("pixels", "")), image.shape)
