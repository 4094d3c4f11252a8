"""An attack's images: clean, triggered and their magnified difference, with class names."""

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from app.figures.samples import png
from app.figures.triggers import columns, enlargement, sheet
from app.text import sections

if TYPE_CHECKING:
    from ngf_core.gallery import Gallery

TEXT = sections("attacks")


def trigger_gallery(gallery: "Gallery", *, key: str, filename: str) -> None:
    """A column of pictures for each image, with its class and the attacker's label below it."""
    few = slice(0, gallery.shown)
    clean = gallery.clean[few]
    triggered = None if gallery.triggered is None else gallery.triggered[few]
    scale = enlargement(clean.shape[-1])
    pictures, gain = columns(clean, triggered, scale)
    table = label_table(gallery)
    with st.grid(columns=max(len(pictures), 4), min_column_width=78, gap="xsmall", key=key):
        for picture, true, wanted in zip(pictures, table["class"], table["attacker's label"],
                                         strict=True):
            with st.container(gap="xsmall"):
                what = "clean, triggered, difference" if triggered is not None else "clean"
                st.image(png(picture), width="stretch", alt=f"{true}: {what}")
                st.caption(true if true == wanted else f"{true} → **{wanted}**")
    st.caption(TEXT["clean gallery"] if triggered is None else
               TEXT["gallery"].format(gain=f"{gain:.2g}"))
    with st.expander(f"Table ({len(table)} rows) and downloads", key=f"{key}_table_box"):
        st.dataframe(table, hide_index=True, key=f"{key}_table")
        with st.container(horizontal=True):
            st.download_button("Download CSV", lambda: table.to_csv(index=False).encode(),
                               file_name=f"{filename}.csv", mime="text/csv", key=f"{key}_csv",
                               on_click="ignore")
            st.download_button("Download image", lambda: png(sheet(clean, triggered, scale)),
                               file_name=f"{filename}.png", mime="image/png", key=f"{key}_png",
                               on_click="ignore")


def label_table(gallery: "Gallery") -> pd.DataFrame:
    """Class and attacker's label of the images to look at, from the left."""
    def words(labels) -> list[str]:
        return [gallery.class_names[int(label)] for label in labels[:gallery.shown]]

    return pd.DataFrame({"image": range(1, gallery.shown + 1), "class": words(gallery.labels),
                         "attacker's label": words(gallery.wanted)})
