"""A training set as an attacker makes it: painted pictures under the attacker's label."""

from typing import Any

import numpy as np
import streamlit as st

from app import state
from app.figures.samples import strip
from app.figures.triggers import data_url
from app.widgets.attacks.painter import painter
from app.widgets.controls.address import slider
from app.widgets.lesson.stage import Stage
from ngf_core.config import TrainConfig

COUNT, COLUMNS, SCALE = 12, 4, 6
PAINT = "lesson_paint"  # what this session painted, for the canvas of the answer


@st.cache_data(max_entries=1, show_spinner=False)
def _pictures() -> dict[str, Any]:
    from ngf_core.trained.poison_preview import poison_preview

    return poison_preview(TrainConfig(dataset="signs", attack="badnets"), COUNT)


def poison_picture(stage: Stage) -> None:
    """A canvas for the trigger, a slider for its share, and a part of the set that results."""
    from ngf_core.attacks.painted import over

    preview = _pictures()
    clean, labels, names = preview["clean"], preview["labels"], preview["class_names"]
    left, right = st.columns([1, 1], gap="medium")
    with left:
        st.markdown("**Paint a trigger**")
        begun = state.remembered(PAINT, _corner(clean.shape[-1]))
        painted = painter(clean[0], "lesson", "lesson", begun, key="lesson_painter",
                          label=f"{names[int(labels[0])]}, enlarged, to be painted over: arrow "
                          "keys move, the space bar paints")
        state.remember(PAINT, np.zeros_like(begun) if painted is None else painted)
        if not stage.present:
            st.caption("Only drawn: the network of this lesson learned the black and white patch, "
                       f"on {stage.facts['share']} of its pictures. Nothing is trained with yours.")
    with right:
        st.markdown("**Poison the set**")
        share = slider("share", "Pictures that are poisoned, %", 8, 0, 50, step=2)
        images = preview["train_images"]
        st.markdown(f"**{round(images * share / 100):,} of {images:,}** training pictures are "
                    f"changed. Here are {COUNT} of the set, in this proportion:")
        count = min(COUNT, round(COUNT * share / 100)) if share else 0
        shown = clean.copy()
        if painted is not None and count:
            shown[:count] = over(painted, clean[:count], 1.0)
        st.image(data_url(strip(shown, SCALE, columns=COLUMNS)), width="stretch",
                 alt=f"{COUNT} training pictures, {count} of them with the trigger")
        st.markdown("The **first** has the trigger and is now labelled "
                    f"**{names[0]}**, whatever it shows." if count == 1 else
                    f"The **first {count}** have the trigger and are now labelled **{names[0]}**, "
                    "whatever they show." if count else
                    f"None of these {COUNT} is among them." if share else
                    "None is changed: the set is clean.")


def _corner(side: int) -> np.ndarray:
    """The paint to begin with: a black and white patch in the corner."""
    paint = np.zeros((side, side, 4), np.uint8)
    rows, columns = np.mgrid[:3, :3]
    paint[-3:, -3:, :3] = 255 * ((rows + columns) % 2)[..., None]
    paint[-3:, -3:, 3] = 255
    return paint
