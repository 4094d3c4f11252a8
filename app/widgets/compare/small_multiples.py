"""Spectra and landscapes of the compared runs, a panel per run on shared scales."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import streamlit as st

from app import state
from app.figures import compare as figures
from app.figures import spectrum as spectra
from app.figures.landscape import plane_table
from app.figures.origin import Origin
from app.text import sections
from app.text.outside import unlinked
from app.widgets.controls.address import choose
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.figure_card import figure_card
from ngf_core.compare.conditions import (
    Failed,
    landscape_conditions,
    run_conditions,
    spectrum_conditions,
)
from ngf_core.compare.readings import (
    PURIFIED,
    measured_by,
    model_title,
    own_models,
)
from ngf_core.config import PurifyConfig, SpectrumConfig
from ngf_core.runs import Run, RunStore
from ngf_core.runs.store import SOURCES

TEXT = sections("compare")
MATRICES = {"hessian": "Hessian", "ggn": "Gauss-Newton matrix", "fisher": "Fisher matrix",
            "empirical": "empirical Fisher matrix"}
PLANES = {"random": "Random", "eigen": "Eigenvectors"}
IMAGES = {"clean": "Clean images", "triggered": "Triggered images"}
Conditions = Callable[[Run, Run, RunStore], list[Failed]]


def spectra_card(runs: Mapping[str, Run], baseline: str, origin: Origin) -> None:
    """Eigenvalues and densities of every run whose spectrum was measured as the baseline's was."""
    st.header("Spectra", anchor=False)
    shown = _beside(runs, baseline, "spectrum", spectrum_conditions)
    if not shown:
        st.caption(TEXT["no spectra"])
        return
    arrays = {letter: _of_own(runs[letter], state.arrays(run, "spectrum"))
              for letter, run in shown.items()}
    ids = {letter: run.id for letter, run in shown.items()}
    matrix = MATRICES[next(iter(shown.values())).config_as(SpectrumConfig).operator]
    top = {letter: _pairs(of, "eigenvalues", "residuals") for letter, of in arrays.items()}
    low = {letter: _pairs(of, "lowest", "lowest_residuals") for letter, of in arrays.items()}
    figure_card(figures.spectra({letter: (top[letter], low[letter]) for letter in shown},
                                matrix=matrix, dark=is_dark()),
                key="compare_spectra", caption=TEXT["spectra"].format(matrix=matrix),
                table=figures.stacked({letter: spectra.stems_table(top[letter], low[letter])
                                       for letter in shown}, ids), columns=_columns(len(shown)),
                origin=origin, filename="spectra",
                alt=f"Leading eigenvalues of the {matrix} of runs "
                f"{', '.join(shown)}, a panel each, on one axis.")
    densities = {letter: found for letter, of in arrays.items()
                 if (found := _pairs(of, "density_grid", "density"))}
    if densities:
        figure_card(figures.densities(densities, dark=is_dark()), key="compare_densities",
                    caption=TEXT["density"].format(matrix=matrix), origin=origin,
                    filename="densities",
                    table=figures.stacked({letter: spectra.density_table(of)
                                           for letter, of in densities.items()}, ids),
                    columns=_columns(len(densities)),
                    alt=f"Spectral densities of runs {', '.join(densities)} on the same axes.")


def landscapes_card(runs: Mapping[str, Run], baseline: str, model: str, origin: Origin
                    ) -> None:
    """One model's loss around it in every run whose landscape was measured as the baseline's."""
    st.header("Landscapes", anchor=False)
    shown = _beside(runs, baseline, "landscape", landscape_conditions)
    arrays = {letter: state.arrays(run, "landscape") for letter, run in shown.items()}
    names = {letter: _own_name(runs[letter], model) for letter in shown}
    there = {f"{plane}.{images}": found for plane in PLANES for images in IMAGES
             if (found := _planes(arrays, names, plane, images))}
    if not there:
        st.caption(TEXT["no landscapes"])
        return
    with st.container(horizontal=True, key="compare_plane"):
        plane = _one_of("plane", "Plane", PLANES, [key.partition(".")[0] for key in there])
        images = _one_of("images", "Loss on", IMAGES, [key.partition(".")[2] for key in there])
    drawn = there.get(f"{plane}.{images}", {})
    lacking = [letter for letter in shown if letter not in drawn]
    if lacking:
        st.caption(f"Not measured in {', '.join(lacking)}: the loss of {model_title(model)} on "
                   f"{images} images over the {plane} plane.")
    if drawn:
        figure_card(figures.planes(drawn, model, log=True, dark=is_dark()),
                    key="compare_landscapes", columns=_columns(len(drawn)),
                    caption=TEXT["landscapes"].format(model=model_title(model), images=images,
                                                      plane=plane),
                                                      origin=origin, filename=f"planes-{plane}",
                    table=figures.stacked({letter: plane_table(of.xs, of.ys, {"loss": of.loss})
                                           for letter, of in drawn.items()},
                                          {letter: shown[letter].id for letter in drawn}),
                    alt=f"Contours of the loss on {images} images around {model_title(model)} of "
                        f"runs {', '.join(drawn)}, on one colour scale.")


def _beside(runs: Mapping[str, Run], baseline: str, kind: str, conditions: Conditions
            ) -> dict[str, Run]:
    """The finished run of `kind` behind each run that fits the baseline's; says why others do not.
    """
    store, base = state.store(), runs[baseline]
    found = {letter: measured_by(run, kind, store) for letter, run in runs.items()}
    shown = {letter: run for letter, run in found.items() if run and run.state == "done"}
    lacking = [letter for letter in runs if letter not in shown]
    if lacking:
        st.caption(f"Without a finished {kind}: {', '.join(lacking)}.")
        _offer(kind, {letter: runs[letter] for letter in lacking})
    for letter in list(shown):
        run = runs[letter]
        failed = run_conditions(run, base, store) + conditions(run, base, store)
        for one in failed:
            st.caption(unlinked(f"{letter} is not shown: the {one.name} is {one.one} in {letter} "
                                f"and {one.base} in {baseline}."))
        if failed:
            del shown[letter]
    return shown


def _offer(kind: str, runs: Mapping[str, Run]) -> None:
    """Links to the page that measures the models of finished runs."""
    with st.container(horizontal=True, key=f"compare_measure_{kind}"):
        for letter, run in runs.items():
            if run.kind in SOURCES[kind] and run.state == "done":
                st.page_link(f"app/views/{kind}.py", label=f"Measure the {kind} of {letter}",
                             query_params={"run": run.id}, width="content")


def _of_own(run: Run, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays with only the run's own models named in them."""
    return {**arrays, "models": np.array(own_models(run, map(str, arrays["models"])))}


def _pairs(arrays: Mapping[str, np.ndarray], values: str, errors: str
           ) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Two arrays of each model that has both, the first not empty."""
    return {model: (arrays[f"{model}.{values}"], arrays[f"{model}.{errors}"])
            for model in map(str, arrays["models"])
            if len(arrays.get(f"{model}.{values}", ())) and f"{model}.{errors}" in arrays}


def _planes(arrays: Mapping[str, Mapping[str, np.ndarray]], names: Mapping[str, str], plane: str,
            images: str) -> dict[str, figures.Plane]:
    prefix = "" if plane == "random" else f"{plane}_"
    return {letter: figures.Plane(of[f"{prefix}xs"], of[f"{prefix}ys"], of[key])
            for letter, of in arrays.items()
            if (key := f"{names[letter]}.{plane}.{images}") in of}


def _own_name(run: Run, model: str) -> str:
    """The model's name in the run's own files."""
    if model != PURIFIED:
        return model
    return run.config_as(PurifyConfig).names[0]


def _one_of(name: str, label: str, options: Mapping[str, str], there: Sequence[str]) -> str:
    offered = {word: title for word, title in options.items() if word in there}
    return choose(name, label, offered, next(iter(offered)))


def _columns(count: int) -> int:
    return count if count <= 3 else (count + 1) // 2


