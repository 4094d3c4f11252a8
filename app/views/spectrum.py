"""Spectrum: leading eigenvalues, density, trace and Fisher spectrum, before and after."""

import streamlit as st

from app import state
from app.figures import spectrum as figures
from app.text import sections
from app.widgets.appearance import is_dark
from app.widgets.figure_card import figure_card
from app.widgets.measurement import measurement, settings
from app.widgets.notice import guarded
from ngf_core.config import SpectrumConfig

TEXT = sections("spectrum")
FORM = {"samples": "Images", "k": "Eigenvalues", "steps": "Lanczos steps",
        "probes": "Density probes", "trace_probes": "Trace probes", "seed": "Seed"}
PARTS = ("eigenvalues", "residuals", "trace", "density_grid", "density", "fisher")


def page() -> None:
    """Pick models, read their curvature."""
    st.title(TEXT["title"])
    st.markdown(TEXT["intro"])
    run = measurement(SpectrumConfig, FORM, TEXT["empty"])
    if run is None:
        return
    arrays = state.arrays(run, "spectrum")
    models = {name: {part: arrays[f"{name}.{part}"] for part in PARTS if f"{name}.{part}" in arrays}
              for name in map(str, arrays["models"])}
    models = {name: data for name, data in models.items() if "eigenvalues" in data}
    dtype = f", {run.results['dtype']}" if "dtype" in run.results else ""
    where = (f"n = {run.config.samples:,} held-out clean images, seed {run.config.seed}{dtype}, "
             "BatchNorm fixed")
    _tiles(models, where)
    dark, name = is_dark(), run.id
    stems = {m: (data["eigenvalues"], data["residuals"]) for m, data in models.items()}
    figure_card(figures.stems(stems, dark=dark), key="spectrum_stems",
                caption=TEXT["stems"].format(k=run.config.k), table=figures.stems_table(stems),
                filename=f"eigenvalues-{name}", alt=_alt(models))
    density = {m: (d["density_grid"], d["density"]) for m, d in models.items() if "density" in d}
    if density:
        figure_card(figures.density(density, dark=dark), key="spectrum_density",
                    caption=TEXT["density"].format(probes=run.config.probes),
                    table=figures.density_table(density), filename=f"density-{name}",
                    alt="Spectral density of the Hessian of each model on a log axis, a high peak "
                        "near zero and few large eigenvalues.")
    fisher = {m: d["fisher"] for m, d in models.items() if "fisher" in d}
    if fisher:
        figure_card(figures.fisher(fisher, dark=dark), key="spectrum_fisher",
                    caption=TEXT["fisher"], table=figures.fisher_table(fisher),
                    filename=f"fisher-{name}",
                    alt="Sorted eigenvalues of the tuned layer's Fisher matrix for each model.")
    st.caption(f"Everything on this page: {where}. Settings: {settings(run)}.")
    st.page_link("app/views/landscape.py", label="See the landscape", icon=":material/terrain:",
                 query_params={"run": run.config.source})


def _tiles(models: dict[str, dict], where: str) -> None:
    """One row of tiles a measure, one tile a model; unconverged values are marked."""
    made = figures.tiles(models)
    with st.grid(columns=max(len(models), 1), min_column_width=230, key="spectrum_tiles"):
        for tile in sorted(made, key=lambda tile: tile.measure != "λ_max"):
            st.metric(f"{tile.measure}, {tile.model}", tile.text, border=True,
                      help=f"{tile.measure} with its {tile.note}. {where}.",
                      delta=tile.note, delta_color="off", delta_arrow="off",
                      icon=":material/warning:" if tile.flagged else None)
    if any(tile.flagged for tile in made):
        st.warning("A marked value has not converged: its residual is above 1 % of it. Compute the "
                   "spectrum again with more Lanczos steps.", icon=":material/warning:")


def _alt(models: dict[str, dict]) -> str:
    tops = [f"{tile.model} {tile.text}" for tile in figures.tiles(models)
            if tile.measure == "λ_max"]
    return f"Stems of the leading Hessian eigenvalues; the largest: {', '.join(tops)}."


guarded(page)()
