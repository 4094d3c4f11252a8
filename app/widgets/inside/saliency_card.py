"""What the attacker's label rests on, before and after."""

import numpy as np
import streamlit as st

from app.figures import saliency as figures
from app.figures.inside import heading
from app.figures.origin import Origin
from app.figures.samples import png, strip
from app.read.inside import saliency_of
from app.text import sections
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.figure_card import figure_card
from ngf_core.inside.models import Inside, Saliency
from ngf_core.inside.saliency import COPIES, NOISE, Share
from ngf_core.inside.settings import Look
from ngf_core.runs import Run

TEXT = sections("inside")
EXAMPLES = 8


def saliency_card(inside: Inside, run: Run, look: Look, after: str | None, origin: Origin
                  ) -> None:
    """The mean map of each model, its share on the trigger, and a few images with their maps."""
    st.header(TEXT["saliency title"], anchor=False)
    found = saliency_of(run, look)
    assert found is not None  # the page draws no card without a trigger
    models = ["before", *([after] if after else [])]
    maps = {model: figures.mean_map(found.maps[model]) for model in models}
    told = "; ".join(f"{heading(model)}: {share_text(found.shares[model])}" for model in models
                     if model in found.shares)
    if told:
        even = found.shares["before"].uniform
        st.markdown(TEXT["share"].format(told=told, even=f"{even:.1%}".replace("%", " %")))
    elif found.pixels is None:
        st.markdown(TEXT["no region"])
    n = len(found.maps["before"])
    figure_card(figures.mean_maps(maps, found.pixels, dark=is_dark()), key="inside_saliency",
                caption=TEXT["saliency"].format(n=n, copies=COPIES, noise=NOISE)
                + (f" {TEXT['frame']}" if found.pixels is not None else ""),
                table=figures.shares_table(found.shares) if found.shares
                else figures.pixel_table(maps), filename=f"saliency-{run.id}",
                origin=origin.on(f"{n} triggered images"),
                alt=f"Mean saliency of the attacker's label on {n} triggered images. {told}")
    _examples(inside, found, models)


def share_text(share: Share) -> str:
    """ "7.5 % ± 0.4 (8.5 times an even map)". """
    return (f"{100 * share.value:.1f} % ± {100 * share.error:.1f} "
            f"({share.value / share.uniform:.1f} times an even map)")


def _examples(inside: Inside, found: Saliency, models: list[str]) -> None:
    """The first images, and below each its map in each model."""
    count = min(EXAMPLES, len(found.maps["before"]))
    images = inside.images["triggered"][:count]
    images = np.repeat(images, 3, axis=1) if images.shape[1] == 1 else images
    rows = [images, *(figures.colored(found.maps[model][:count]) for model in models)]
    titles = ", ".join(heading(model).lower() if model == "before" else heading(model)[0].lower()
                       + heading(model)[1:] for model in models)
    st.image(png(strip(np.concatenate(rows), 4, columns=count)), width="stretch",
             caption=TEXT["examples"].format(count=count, titles=titles),
             alt=f"{count} triggered images and their saliency maps, {titles}")
