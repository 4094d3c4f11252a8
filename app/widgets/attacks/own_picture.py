"""The user's own picture shown to the same models: uploaded, or a trigger painted by hand, on which
a model can be trained.
"""

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from app.read.showcase import NAMES, Show, ask_models
from app.text import sections
from app.widgets.attacks.answer_cards import Card, answer_cards
from app.widgets.attacks.in_address import of_attacks, of_configure
from app.widgets.attacks.painter import painter
from app.widgets.controls.notice import guarded
from ngf_core.attacks import PAINTED
from ngf_core.config import TrainConfig
from ngf_core.runs.server_settings import server_settings

if TYPE_CHECKING:
    from ngf_core.trained.gallery import Gallery

TEXT = sections("attacks")
MEGABYTES = 20


def own_picture(show: Show, gallery: "Gallery", rate: float) -> None:
    """Two ways to make a picture, side by side; each redraws alone, not the rest of the page.

    `rate`: the share of images that training on a painted trigger would poison.
    """
    st.header(TEXT["own"], anchor=False)
    st.markdown(TEXT["own text"].format(classes=len(gallery.class_names)))
    left, right = st.columns([1, 2], gap="large")
    with left:
        st.fragment(guarded(_uploaded))(show, gallery)
    with right:
        st.fragment(guarded(_painted))(show, gallery, rate)


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


def _painted(show: Show, gallery: "Gallery", rate: float) -> None:
    from ngf_core.attacks.painted import over

    st.markdown(f"**Paint.** {TEXT['paint']}")
    names = [gallery.class_names[int(label)] for label in gallery.labels[:gallery.shown]]
    chosen = st.pills("Test image", range(gallery.shown), default=0, key="paint_over",
                      format_func=lambda i: names[i], required=True) or 0
    chosen = min(chosen, gallery.shown - 1)
    picture, (begun, others) = gallery.clean[chosen], _begun(show, gallery)
    canvas, answers = st.columns(2, gap="medium")
    with canvas:
        drawing = painter(picture, f"{show.config.dataset}-{chosen}", _layer(begun, picture),
                          begun, key="painter",
                          label=f"{names[chosen]}, enlarged, to be painted over")
    painted = picture[None] if drawing is None else over(drawing, picture[None],
                                                         others.get("alpha", 1.0))
    with answers:
        _answers(show, gallery, {"clean": picture[None], "painted": painted},
                 "paint_answers", int(gallery.labels[chosen]), int(gallery.wanted[chosen]))
    _train(show, drawing, others, rate)


def _begun(show: Show, gallery: "Gallery") -> tuple[np.ndarray | None, dict[str, Any]]:
    """The picture of the trigger that is shown, where that is a painted one, in the size of the
    images, and its other parameters."""
    from ngf_core.attacks.attack import PICTURE, changes_from
    from ngf_core.attacks.drawing import from_text
    from ngf_core.attacks.painted import resized

    if show.config.attack != PAINTED:
        return None, {}
    changes = changes_from(show.config.parameters)
    text = changes.pop(PICTURE, None)
    return None if text is None else resized(from_text(text), gallery.clean.shape[2:]), changes


def _layer(begun: np.ndarray | None, picture: np.ndarray) -> str:
    """A name of the paint that a canvas of that size starts with."""
    start = "" if begun is None else hashlib.sha256(begun.tobytes()).hexdigest()[:16]
    return f"{picture.shape[1:]} {start}"


def _train(show: Show, drawing: np.ndarray | None, others: dict[str, Any], rate: float) -> None:
    """Buttons that take a drawing to Configure, and to the images of this page."""
    from ngf_core.attacks.attack import PICTURE, changes_text
    from ngf_core.attacks.drawing import to_text

    config = None
    if drawing is not None:
        config = replace(show.config, attack=PAINTED, strength=TrainConfig.strength,
                         parameters=changes_text({PICTURE: to_text(drawing)} | others),
                         poison_rate=rate)
    with st.container(horizontal=True):
        train = st.button("Train on this trigger", icon=":material/tune:", type="primary",
                          key="train_painted", disabled=config is None)
        see = st.button("Show it on the images above", icon=":material/bug_report:",
                        key="see_painted", disabled=config is None
                        or config.parameters == show.config.parameters)
    if config is None:
        st.caption(TEXT["paint first"])
    elif train:
        st.switch_page("app/views/configure.py", query_params=of_configure(config))
    elif see:
        st.switch_page("app/views/attacks.py", query_params=of_attacks(config))


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
