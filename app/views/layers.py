"""Layers: what tuning each layer alone does, and which layer a defender would pick."""

import streamlit as st

from app.text import sections
from app.widgets.controls.notice import guarded
from app.widgets.curvature.measurement import measurement
from app.widgets.layers.layer_map import layer_map_cards
from app.widgets.layers.layer_regret import layer_regret
from app.widgets.runs.live_map import live_map
from ngf_core.config import LayersConfig
from ngf_core.runs.files import MODEL_KINDS

TEXT = sections("layers")
FORM = {"steps": "Steps on each layer", "pool": "Augmented copies",
        "clean_fraction": "Clean set, as a share", "clean_balance": "Classes of the clean set",
        "augment": "Augmentation", "seed": "Seed"}


def page() -> None:
    """Choose a model, show its map; below it the rules over all attacks."""
    st.title(TEXT["title"], anchor=False)
    st.markdown(TEXT["intro"])
    run = measurement(LayersConfig, FORM, TEXT["empty"], draw=live_map, source_kinds=MODEL_KINDS,
                      noun="layer map")
    if run is not None:
        layer_map_cards(run)
    guarded(layer_regret)()


guarded(page)()
