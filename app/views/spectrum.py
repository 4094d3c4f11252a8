"""Spectrum: leading eigenvalues, density, trace and Fisher spectrum, before and after."""

import streamlit as st

from app import state
from app.figures import spectrum as figures
from app.figures.curvature_tiles import Tile
from app.figures.curvature_tiles import tiles as curvature_tiles
from app.figures.origin import of_run
from app.text import define, sections
from app.theme import style
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.figure_card import figure_card
from app.widgets.controls.layer_choice import layer_title
from app.widgets.controls.notice import guarded
from app.widgets.curvature.measurement import measurement, settings
from app.widgets.curvature.second_opinion import second_opinion_line
from app.widgets.curvature.sharpness_card import sharpness_card
from app.widgets.curvature.slice_card import choose_stem, slice_card
from ngf_core.config import SpectrumConfig
from ngf_core.runs import Run

TEXT = sections("spectrum")
FORM = {"operator": "Matrix", "parameters": "Parameters", "samples": "Images", "k": "Largest",
        "bottom": "Smallest", "steps": "Lanczos steps", "probes": "Density probes",
        "trace_error": "Trace error, %", "trace_probes": "Most trace probes",
        "sharpness": "Sharpness measures", "check": "Second opinion", "seed": "Seed"}
PARTS = ("eigenvalues", "residuals", "lowest", "lowest_residuals", "trace", "density_grid",
         "density", "fisher")
MATRICES = {"hessian": "Hessian", "ggn": "Gauss-Newton", "fisher": "Fisher",
            "empirical": "empirical Fisher"}


def page() -> None:
    """Choose models, show their curvature."""
    st.title(TEXT["title"])
    st.markdown(TEXT["intro"])
    run = measurement(SpectrumConfig, FORM, TEXT["empty"])
    if run is None:
        return
    arrays = state.arrays(run, "spectrum")
    models = {name: {part: arrays[f"{name}.{part}"] for part in PARTS if f"{name}.{part}" in arrays}
              for name in map(str, arrays["models"])}
    models = {name: data for name, data in models.items() if "eigenvalues" in data}
    matrix = MATRICES.get(run.results.get("operator", "hessian"), "Hessian")
    where = _where(run, matrix)
    measured = {name: found for name in models
                if (found := run.results.get(name, {}).get("sharpness"))}
    tiles = curvature_tiles(models, measured)
    _tiles(tiles, len(models), where)
    for name in models:
        for sentence in run.results.get(name, {}).get("unreached", ()):
            st.warning(f"{style(name).label}: {sentence}", icon=":material/warning:")
    second_opinion_line(run, list(models))
    dark, name = is_dark(), run.id
    stems = {m: (data["eigenvalues"], data["residuals"]) for m, data in models.items()}
    lowest = {m: (data["lowest"], data["lowest_residuals"]) for m, data in models.items()
              if len(data.get("lowest", ()))}
    figure_card(figures.stems(stems, lowest=lowest, matrix=matrix, dark=dark),
                key="spectrum_stems", caption=_stems_caption(run, matrix, lowest),
                table=figures.stems_table(stems, lowest),
                origin=of_run(run), filename=f"eigenvalues-{name}",
                alt=_alt(tiles, matrix), on_select=choose_stem)
    slice_card(run, models)
    sharpness_card(run, list(models))
    density = {m: (d["density_grid"], d["density"]) for m, d in models.items() if "density" in d}
    if density:
        figure_card(figures.density(density, dark=dark), key="spectrum_density",
                    caption=TEXT["density"].format(
                        probes=run.config_as(SpectrumConfig).probes, matrix=matrix),
                    table=figures.density_table(density),
                    origin=of_run(run), filename=f"density-{name}",
                    alt=f"Spectral density of the {matrix} of each model on a log axis, a high "
                        "peak near zero and few large eigenvalues.")
    fisher = {m: d["fisher"] for m, d in models.items() if "fisher" in d}
    if fisher:
        figure_card(figures.fisher(fisher, dark=dark), key="spectrum_fisher",
                    caption=TEXT["fisher"], table=figures.fisher_table(fisher),
                    origin=of_run(run), filename=f"fisher-{name}",
                    alt="Sorted eigenvalues of the tuned layers' Fisher matrix for each model.")
    st.caption(f"Everything on this page: {where}. Settings: {settings(run)}.")
    st.page_link("app/views/landscape.py", label="See the landscape", icon=":material/terrain:",
                 query_params={"run": run.config_as(SpectrumConfig).source})


def _where(run: Run, matrix: str) -> str:
    """What everything is measured on: images, matrix, parameters, arithmetic."""
    found = run.results
    of = f"{layer_title(found['layer'])} alone" if found.get("parameters") == "layer" else \
        "all parameters"
    dtype = f", {found['dtype']}" if "dtype" in found else ""
    # A run that ended early has its first models' curvature, but wrote no results.
    samples = found.get("samples", run.config_as(SpectrumConfig).samples)
    return (f"n = {samples:,} held-out clean images, seed {run.config.seed}{dtype}, "
            f"BatchNorm fixed, {matrix} of {of}")


def _stems_caption(run: Run, matrix: str, lowest: dict) -> str:
    caption = TEXT["stems"].format(k=run.config_as(SpectrumConfig).k, matrix=matrix)
    return f"{caption} {TEXT['lowest']}" if lowest else caption


def _tiles(made: list[Tile], models: int, where: str) -> None:
    """One row of tiles per measure, one tile per model; unconverged values are marked."""
    with st.grid(columns=max(models, 1), min_column_width=165, key="spectrum_tiles"):
        for tile in sorted(made, key=lambda tile: tile.measure != "λ_max"):
            st.metric(f"{tile.measure}, {tile.model}", tile.text, border=True,
                      help=f"{define('Sharpness error')} {where}.",
                      delta=tile.note, delta_color="off", delta_arrow="off",
                      icon=":material/warning:" if tile.flagged else None)
    if any(tile.flagged for tile in made):
        st.warning("A marked value has not converged: its residual is above 1 % of it. Compute the "
                   "spectrum again with more Lanczos steps.", icon=":material/warning:")


def _alt(tiles: list[Tile], matrix: str) -> str:
    tops = [f"{tile.model} {tile.text}" for tile in tiles if tile.measure == "λ_max"]
    return f"Stems of the leading {matrix} eigenvalues; the largest: {', '.join(tops)}."


guarded(page)()
