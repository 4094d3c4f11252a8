"""A random plane beside λ_max of the same models: what each tells, and why they may differ."""

from collections.abc import Mapping

import numpy as np
import streamlit as st

from app import state
from app.figures.sharpness import number, verdict, whole_error
from app.read.dimensions import dimensions
from app.read.measurement import measurement_of
from app.text import sections
from app.theme import style
from ngf_core.config import LandscapeConfig, SpectrumConfig
from ngf_core.evidence.plane_story import contradiction, rise
from ngf_core.runs import Run
from ngf_core.runs.files import RECEIVED

TEXT = sections("landscape")


def plane_beside_lambda(run: Run, losses: Mapping[str, np.ndarray]) -> None:
    """One line per purified model of a landscape run: how its loss rises over the plane against the
    received model's, and how λ_max of the whole network moved. Nothing where no such spectrum of
    these models was measured, or no model was received."""
    spectrum = measurement_of(state.store().get(run.config_as(LandscapeConfig).source), "spectrum")
    if spectrum is None or RECEIVED not in losses:
        return
    config = spectrum.config_as(SpectrumConfig)
    if (config.operator, config.parameters) != ("hessian", "all"):
        return
    rises = {model: rise(loss.tolist()) for model, loss in losses.items()}
    whys = []
    for model in losses:
        entry = spectrum.results.get(model, {}).get("sharpness", {}).get("lambda_max", {})
        if (moved := entry.get("minus_before")) and rises[model] is not None:
            whys.append(contradiction(rises[RECEIVED], rises[model], number(moved["value"]),
                                      whole_error(moved), dimensions(run)))
            line = TEXT["beside"].format(
                model=style(model).label, rise=f"{rises[model]:.2f}", moved=verdict(entry),
                received=f"{rises[RECEIVED]:.2f}" if rises[RECEIVED] is not None else "no number",
                images=f"{config.samples:,}")
            st.markdown(f"- {line} {whys[-1]}")
    if whys and not any(whys):
        st.caption(TEXT["beside why"].format(dimensions=dimensions(run)))
