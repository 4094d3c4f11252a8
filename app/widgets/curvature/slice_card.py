"""The loss along the eigenvector of an eigenvalue, chosen in the box or by a click on its stem."""

from collections.abc import Mapping

import numpy as np
import streamlit as st

from app import state
from app.figures.origin import of_run
from app.figures.slices import Slice, slice_figure, slice_table
from app.figures.spectrum import picked_stem, rank_names
from app.text import sections
from app.theme import style
from app.widgets.controls.address import choose
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.figure_card import figure_card
from app.widgets.controls.request import request
from ngf_core.config import SpectrumConfig
from ngf_core.runs import Run
from ngf_core.runs.files import SLICES

TEXT = sections("spectrum")


def slice_card(run: Run, models: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Draw the slice that ?slice= names, by default the first model's sharpest; where the run has
    none, offer to measure them."""
    if run.config_as(SpectrumConfig).operator != "hessian":
        return
    st.header(TEXT["slice title"], anchor=False)
    if not run.has(SLICES):
        _not_measured(run)
        return
    arrays = state.arrays(run, SLICES)
    found = {key: drawn for name, data in models.items() if f"{name}.t" in arrays
             for key, drawn in _slices(name, data, arrays).items()}
    if not found:
        return
    chosen = choose("slice", "Along the eigenvector of",
                    {key: _label(key, drawn) for key, drawn in found.items()}, next(iter(found)))
    drawn = found[chosen]
    figure_card(slice_figure(drawn, dark=is_dark()), key="spectrum_slice",
                caption=TEXT["slice"].format(value=f"{drawn.value:.4g}",
                                             residual=f"{drawn.residual:.2g}",
                                             farthest=f"{drawn.farthest:.2g}"),
                table=slice_table(drawn), origin=of_run(run),
                filename=f"slice-{chosen}-{run.id}",
                alt=f"Loss of {_label(chosen, drawn)} along its eigenvector, which gets up to "
                    f"{drawn.farthest:.2g} nats away from the parabola of its eigenvalue.")


def choose_stem() -> None:
    """Choose the eigenvalue whose mark was clicked in the figure `spectrum_stems`."""
    if (chosen := picked_stem(state.remembered("spectrum_stems"))) is not None:
        state.remember("slice_choice", chosen)


def _slices(name: str, data: Mapping[str, np.ndarray], arrays: Mapping[str, np.ndarray]
            ) -> dict[str, Slice]:
    """By the eigenvalue's name, as in ?slice=: "ngf.1" the largest, "ngf.min" the smallest."""
    lowest = data.get("lowest", np.empty(0))
    values = np.concatenate([data["eigenvalues"], lowest])
    residuals = np.concatenate([data["residuals"], data.get("lowest_residuals", np.empty(0))])
    t, loss, slopes = (arrays[f"{name}.{part}"] for part in ("t", "loss", "slopes"))
    ranks = rank_names(len(data["eigenvalues"]), len(lowest))
    return {f"{name}.{rank}": Slice(name, *row) for rank, *row in zip(
        ranks, t, loss, values.tolist(), residuals.tolist(), slopes.tolist(), strict=True)}


def _label(key: str, drawn: Slice) -> str:
    rank = key.rpartition(".")[2]
    return f"{style(drawn.model).label}, λ{rank if rank.isdigit() else f' {rank}'} " \
           f"= {drawn.value:.4g}"


def _not_measured(run: Run) -> None:
    st.caption(TEXT["no slices"])
    # Drawn only when it is open: the cost estimate has to import torch.
    box = st.expander("Measure it", icon=":material/add:", key=f"slices_form_{run.id}",
                      on_change="rerun")
    if not box.open:
        return
    with box:
        label = "Compute this spectrum again, with its slices"
        made = request(run.config_as(SpectrumConfig), label, label, "slices_start", shown=run)
    if made is not None:
        state.open_run(made, "spectrum")
        st.rerun()
