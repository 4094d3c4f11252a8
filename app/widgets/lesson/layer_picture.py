"""The layers of the network: how many weights each has, and what retraining it alone leaves."""

import pandas as pd
import streamlit as st

from app import state
from app.figures.lesson import Dot, dots_alt, dots_height, dots_options
from app.figures.origin import of_run
from app.read.lesson.facts import percent_interval
from app.widgets.controls.address import choose
from app.widgets.lesson.stage import Stage
from ngf_core.evaluate.rates import Rate

RUN, METHOD = "signs-badnets-s0-layers", "ngf"


def layer_picture(stage: Stage) -> None:
    """Weights by layer; with the answer shown, the ASR that retraining each layer leaves."""
    run = state.store().get(RUN)
    layers = [entry for entry in run.results["map"] if entry["method"] == METHOD]
    rest = int(stage.facts["all"].value) - sum(entry["parameters"] for entry in layers)
    if stage.present:  # what the last row can read: every second layer, and the last ones
        layers = layers[:-4:3] + layers[-3:]
    if not stage.shown:
        dots = [Dot(entry["layer"], entry["parameters"], f"{entry['parameters']:,}",
                    low=0, high=entry["parameters"], method="train") for entry in layers]
        axis, ends = "weights of the layer", (0, 150_000)
        caption = (f"The layers from the picture ({layers[0]['layer']}, at the top) to the answer "
                   f"({layers[-1]['layer']}), and how many weights each has."
                   + " Between them stand blocks of two layers (conv1, conv2); a shortcut leads "
                   f"past a block. The other {rest:,} weights belong to the normalisation (scene "
                   "8)."
                   * (not stage.present))
    else:
        dots = []
        for entry in layers:
            rate = Rate(**entry["asr"])
            low, high = percent_interval(rate)
            dots.append(Dot(entry["layer"], 100 * rate.value, f"{100 * rate.value:.0f} %", low,
                            high))
        axis, ends = "ASR after retraining this layer alone, %", (0, 100)
        caption = (f"The layers from the picture ({layers[0]['layer']}, at the top) to the answer "
                   f"({layers[-1]['layer']}). Lower is better; the bar at a mark is its 95 % "
                   "interval.")
    stage.figure(dots_options(dots, axis, ends=ends, size=stage.size, dark=stage.dark),
                 key="layer_asr" if stage.shown else "layer_weights", caption=caption,
                 alt=dots_alt(dots, axis), height=dots_height(dots, stage.size),
                 table=pd.DataFrame([{"layer": dot.row, axis: dot.value} for dot in dots]),
                 origin=of_run(run))
    if stage.shown and not stage.present:
        _one(layers)


def _one(layers: list[dict]) -> None:
    names = {entry["layer"]: entry["layer"] for entry in layers}
    chosen = choose("layer", "One layer", names, layers[-1]["layer"])
    entry = next(one for one in layers if one["layer"] == chosen)
    acc, asr, ra = (Rate(**entry[name]) for name in ("acc", "asr", "ra"))
    with st.container(horizontal=True):
        st.metric("Weights", f"{entry['parameters']:,}")
        st.metric("ASR", asr.percent())
        st.metric("RA", ra.percent())
        st.metric("ACC", acc.percent())
