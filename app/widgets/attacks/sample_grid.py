"""Sample images three ways: clean, with the trigger, and what the trigger changed."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import streamlit as st

from app.figures.samples import difference, png, strip

SCALE = 6


def sample_grid(samples: Mapping[str, np.ndarray], names: Sequence[str], *, key: str) -> None:
    """One strip each for clean and triggered images and their magnified difference.

    `samples` holds `clean`, uint8 (n, C, H, W), and the true `labels` (n,); where there is an
    attack also `triggered`, like `clean`, and `targets` (n,). The table identifies the images.
    """
    clean = samples["clean"]
    strips = {"Clean": clean}
    if "triggered" in samples:
        changed, gain = difference(clean, samples["triggered"])
        strips |= {"Triggered": samples["triggered"], f"Difference × {gain:.2g}": changed}
    for title, images in strips.items():
        st.image(png(strip(images, SCALE)), caption=title, width="stretch",
                 alt=f"{title}: {len(clean)} sample images side by side")
    with st.expander("Labels", key=f"{key}_labels"):
        st.dataframe(label_table(samples, names), hide_index=True, key=f"{key}_table")


def label_table(samples: Mapping[str, np.ndarray], names: Sequence[str]) -> pd.DataFrame:
    """True label and, under an attack, the label trained on, image by image from the left."""
    columns = {"true label": samples["labels"]}
    if "targets" in samples:
        columns["trained as"] = samples["targets"]
    named = {head: [names[int(label)] for label in labels] for head, labels in columns.items()}
    return pd.DataFrame({"image": range(1, len(samples["labels"]) + 1)} | named)
