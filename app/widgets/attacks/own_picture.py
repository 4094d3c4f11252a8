"""The user's own picture shown to the same models: uploaded, or a trigger painted by hand."""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from app.read.showcase import NAMES, Show, ask_models
from app.text import sections
from app.widgets.attacks.answer_cards import Card, answer_cards
from app.widgets.attacks.painter import painter
from app.widgets.controls.notice import guarded
from ngf_core.runs.server_settings import server_settings

if TYPE_CHECKING:
    from ngf_core.trained.gallery import Gallery

TEXT = sections("attacks")
MEGABYTES = 20


def own_picture(show: Show, gallery: "Gallery") -> None:
    """Two ways to make a picture, side by side; each redraws alone, not the rest of the page."""
    st.header(TEXT["own"], anchor=False)
    st.markdown(TEXT["own text"].format(classes=len(gallery.class_names)))
    left, right = st.columns([1, 2], gap="large")
    with left:
        st.fragment(guarded(_uploaded))(show, gallery)
    with right:
        st.fragment(guarded(_painted))(show, gallery)


def _uploaded(show: Show, gallery: "Gallery") -> None:
    from ngf_core.data.picture import FORMATS, fitted
    from ngf_core.trained.gallery import triggered

    st.markdown(f"**Upload.** {TEXT['upload']}")
    readonly = server_settings().readonly
    file = st.file_uploader("Picture", [name.lower() for name in (*FORMATS, "jpg")], key="upload",
                            max_upload_size=MEGABYTES, label_visibility="collapsed",
                            disabled=readonly)
    if file is None or readonly:
        return
    clean = fitted(file.getvalue(), gallery.clean.shape[1:])
    versions = {"clean": clean}
    stamped = triggered(show.config, clean, show.backdoored)
    if stamped is not None:
        versions["triggered"] = stamped
    _answers(show, gallery, versions, "upload_answers")


def _painted(show: Show, gallery: "Gallery") -> None:
    st.markdown(f"**Paint.** {TEXT['paint']}")
    names = [gallery.class_names[int(label)] for label in gallery.labels[:gallery.shown]]
    chosen = st.pills("Test image", range(gallery.shown), default=0, key="paint_over",
                      format_func=lambda i: names[i], required=True) or 0
    chosen = min(chosen, gallery.shown - 1)
    picture = gallery.clean[chosen]
    canvas, answers = st.columns(2, gap="medium")
    with canvas:
        drawn = painter(picture, f"{show.config.dataset}-{chosen}", key="painter",
                        label=f"{names[chosen]}, enlarged, to be painted over")
    with answers:
        _answers(show, gallery, {"clean": picture[None],
                                 "painted": picture[None] if drawn is None else drawn},
                 "paint_answers", int(gallery.labels[chosen]), int(gallery.wanted[chosen]))


def _answers(show: Show, gallery: "Gallery", versions: dict[str, np.ndarray], key: str,
             truth: int | None = None, wanted: int | None = None) -> None:
    answers = {version: ask_models(show, picture) for version, picture in versions.items()}
    card = Card({version: picture[0] for version, picture in versions.items()},
                {NAMES[name]: [(int(by_model[name].labels[0]), float(by_model[name].confidence[0]))
                               for by_model in answers.values()] for name in show.runs},
                truth, wanted)
    answer_cards([card], gallery.class_names, columns=1, key=key)
    if not show.runs:
        st.caption(TEXT["no models"])
