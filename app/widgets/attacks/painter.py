"""A canvas for painting over a small picture, by mouse, finger, pen or keyboard."""

import base64
from importlib.resources import files

import numpy as np
import streamlit as st

_HERE = files(__package__)
_html, _css, _js = ((_HERE / f"painter.{kind}").read_text(encoding="utf-8")
                    for kind in ("html", "css", "js"))
_canvas = st.components.v2.component("ngf_lab_painter", html=_html, css=_css, js=_js)


def painter(image: np.ndarray, name: str, layer: str, begun: np.ndarray | None = None, *,
            label: str, key: str) -> np.ndarray | None:
    """Let `image` (uint8 (C, H, W)) be painted over; the paint (uint8 (H, W, 4): red, green, blue,
    opacity), or None where nothing was painted.

    `name` identifies the image, `layer` the paint: it stays while images of one size change below
    it, and starts with `begun`, or afresh, under a new `layer`. Raises NGFError where the browser
    returns anything but paint of that size.
    """
    from ngf_core.data.picture import paint, to_base64

    _, height, width = image.shape
    start = None if begun is None else base64.b64encode(begun.tobytes()).decode()
    result = _canvas(key=key, default={"painted": None}, on_painted_change=lambda: None,
                     data={"id": name, "layer": layer, "width": width, "height": height,
                           "label": label, "pixels": to_base64(image), "paint": start})
    drawn = result.painted
    if isinstance(drawn, dict) and drawn.get("of") == layer:
        begun = paint(str(drawn.get("pixels", "")), height, width)
    return begun if begun is not None and begun.any() else None
