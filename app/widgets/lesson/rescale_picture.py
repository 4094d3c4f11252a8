"""One layer rescaled: λ_max moves, no answer changes. Read from a shipped table."""

import pandas as pd
import streamlit as st

from app.figures.lesson import Dot, dots_alt, dots_height, dots_options
from app.figures.origin import Origin
from app.read.lesson.rescaled import rescaled
from app.widgets.controls.address import choose
from app.widgets.lesson.dot_pictures import scale_of_sharpness
from app.widgets.lesson.stage import Stage

WORDS = {"4": "×4", "1": "as it is", "0.5": "×1/2", "0.25": "×1/4", "0.125": "×1/8"}
COMMAND = "python -m benchmarks.rescaled_layer"


def rescale_picture(stage: Stage) -> None:
    """A size for the layer's weights, with λ_max, adaptive λ_max and the answers that change."""
    table = rescaled()
    if not stage.shown:
        st.metric("λ_max of the network as it is", f"{stage.facts['same']}")
        st.caption(f"Of the network of the first scenes, on {table['images']} pictures. The larger "
                   f"it is, the sharper is the valley. {scale_of_sharpness()}")
        return
    chosen = choose("weights", "Weights of the layer", WORDS, "1")
    row = next(one for one in table["rows"] if one["factor"] == float(chosen))
    with st.container(horizontal=True):
        st.metric("λ_max", f"{row['lambda_max']:.0f}")
        st.metric("adaptive λ_max", f"{row['adaptive_lambda_max']:.2f}")
        st.metric("Answers that changed", f"{row['changed_answers']} of {table['test_images']:,}")
    dots = [Dot(WORDS[f"{one['factor']:g}"], one["lambda_max"], f"{one['lambda_max']:.0f}",
                method="ngf" if one is row else "before") for one in table["rows"]]
    axis = "λ_max"
    stage.figure(dots_options(dots, axis, scale="log", ends=(64, 256), size=stage.size,
                              dark=stage.dark), key="rescale", alt=dots_alt(dots, axis),
                 height=dots_height(dots, stage.size), table=pd.DataFrame(table["rows"]),
                 origin=Origin({"Run": table["source"], "Layer": table["layer"],
                                "n": f"{table['images']} held-out clean images"}, COMMAND),
                 caption=f"The same network with one layer ({table['layer']}) written larger or "
                         "smaller; the normalisation behind it undoes that. Each line of the grid "
                         "is twice the one before it.")
