"""Sample images three ways: clean, with the trigger, and what the trigger changed."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import streamlit as st

from app.figures.samples import difference, png, strip

SCALE = 6


def sample_grid(samples: Mapping[str, np.ndarray], names: Sequence[str], *, key: str) -> None:
    """One strip each for clean and triggered images and their magnified difference.

    `samples` holds `clean` and `triggered`, uint8 (n, C, H, W), the true `labels` (n,) and, if
    the labels change, the `targets` (n,). The table says which image is what.
    """
    clean, triggered = samples["clean"], samples["triggered"]
    changed, gain = difference(clean, triggered)
    count = len(clean)
    for title, images in (("Clean", clean), ("Triggered", triggered),
                          (f"Difference × {gain:.2g}", changed)):
        st.image(png(strip(images, SCALE)), caption=title, width="stretch",
                 alt=f"{title}: {count} sample images side by side")
    with st.expander("Labels", key=f"{key}_labels"):
        st.dataframe(label_table(samples, names), hide_index=True, key=f"{key}_table")


def label_table(samples: Mapping[str, np.ndarray], names: Sequence[str]) -> pd.DataFrame:
    """True label and the label trained on, image by image from left to right."""
    labels = np.asarray(samples["labels"])
    targets = np.asarray(samples.get("targets", labels))
    return pd.DataFrame({"image": range(1, len(labels) + 1),
                         "true label": [names[int(i)] for i in labels],
                         "trained as": [names[int(i)] for i in targets]})
