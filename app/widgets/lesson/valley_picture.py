"""Two weights, an elongated valley, and two ways down it: gradient and natural gradient."""

from importlib.resources import files

import streamlit as st

from app.theme import label_color, style
from app.widgets.controls.address import slider
from app.widgets.lesson.stage import Stage

_HERE = files(__package__)
_html, _css, _js = ((_HERE / f"valley.{kind}").read_text(encoding="utf-8")
                    for kind in ("html", "css", "js"))
_valley = st.components.v2.component("ngf_lab_valley", html=_html, css=_css, js=_js)
LENGTH = 1.7  # of a step along the gradient, by that which would reach the valley's axis
WAYS = {"gradient": ("Gradient", "sgd"), "natural": ("Natural gradient", "ngf")}


def valley_picture(stage: Stage) -> None:
    """The valley with its start; with the answer shown, both ways and the sliders that bend them.
    """
    with st.container(horizontal=True):
        narrow = slider("narrow", "How narrow the valley is", 12, 1, 40, step=1)
        length, damping = LENGTH, 0.0
        if stage.shown:
            length = slider("length", "The gradient's step", LENGTH, 0.1, 2.1, step=0.1)
            damping = slider("damping", "Damping", 0.0, 0.0, 2.0, step=0.05)
    _valley(key="lesson_valley", data={
        "narrow": narrow, "length": length, "damping": damping, "shown": stage.shown,
        "ways": [{"name": name, "label": label, "color": style(method).color,
                  "ink": f"light-dark({label_color(style(method).color, False)}, "
                         f"{label_color(style(method).color, True)})"}
                 for name, (label, method) in WAYS.items()]})
    rise = (f"At the same distance from it the loss is {narrow} times as high across the valley as "
            "along it." if narrow > 1 else "The valley is round.")
    st.caption("Each line joins points of equal loss; the cross is the bottom, the dot the start. "
               + f"{rise} " * (not stage.present)
               + "Both take twelve steps. A gradient's step of 1 across the valley ends on its "
               "middle line, a longer one beyond; the natural gradient, without damping, goes half "
               "of the way that is left." * (stage.shown and not stage.present))
