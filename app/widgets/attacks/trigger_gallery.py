"""An attack's images: clean, triggered and their magnified difference, with class names."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from app.figures.samples import png
from app.figures.triggers import columns, data_url, enlargement, sheet
from app.text import sections

if TYPE_CHECKING:
    from ngf_core.trained.gallery import Gallery

TEXT = sections("attacks")


def trigger_gallery(gallery: "Gallery", *, key: str) -> None:
    """One column of pictures per image, with its class and the attacker's label below it."""
    clean, triggered = _shown(gallery)
    pictures, gain = columns(clean, triggered, enlargement(clean.shape[-1]))
    table = label_table(gallery)
    what = "clean, triggered, difference" if triggered is not None else "clean"
    with st.grid(columns=max(len(pictures), 4), min_column_width=78, gap="xsmall", key=key):
        for picture, true, wanted in zip(pictures, table["class"], table["attacker's label"],
                                         strict=True):
            with st.container(gap="xsmall"):
                st.image(data_url(picture), width="stretch", alt=f"{true}: {what}")
                st.caption(true if true == wanted else f"{true} → **{wanted}**")
    st.caption(TEXT["clean gallery"] if triggered is None else
               TEXT["gallery"].format(gain=f"{gain:.2g}"))


def gallery_table(gallery: "Gallery", *, key: str, filename: str) -> None:
    """The labels of these images as a table, and downloads of it and of the pictures."""
    table, (clean, triggered) = label_table(gallery), _shown(gallery)
    scale = enlargement(clean.shape[-1])
    with st.expander(f"Table ({len(table)} rows) and downloads", key=f"{key}_table_box"):
        st.dataframe(table, hide_index=True, key=f"{key}_table")
        with st.container(horizontal=True):
            st.download_button("Download CSV", lambda: table.to_csv(index=False).encode(),
                               file_name=f"{filename}.csv", mime="text/csv", key=f"{key}_csv",
                               on_click="ignore")
            st.download_button("Download image", lambda: png(sheet(clean, triggered, scale)),
                               file_name=f"{filename}.png", mime="image/png", key=f"{key}_png",
                               on_click="ignore")


def _shown(gallery: "Gallery") -> tuple[np.ndarray, np.ndarray | None]:
    few = slice(0, gallery.shown)
    triggered = gallery.triggered
    return gallery.clean[few], None if triggered is None else triggered[few]


def label_table(gallery: "Gallery") -> pd.DataFrame:
    """Class and attacker's label of the images shown, from the left."""
    def words(labels) -> list[str]:
        return [gallery.class_names[int(label)] for label in labels[:gallery.shown]]

    return pd.DataFrame({"image": range(1, gallery.shown + 1), "class": words(gallery.labels),
                         "attacker's label": words(gallery.wanted)})
