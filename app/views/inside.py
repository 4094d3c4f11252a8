"""Inside the model: features, answers, channels and saliency, before and after purification."""

import streamlit as st

from app import state
from app.figures.origin import Origin
from app.read.inside import inside_of, is_quick, runs_foreign_code
from app.text import sections
from app.theme import style
from app.widgets.controls.address import choose, number, same
from app.widgets.controls.notice import guarded, model_notice
from app.widgets.runs.run_picker import pick_run
from ngf_core.inside.settings import FEWEST, MOST, Look
from ngf_core.runs import Run
from ngf_core.runs.files import MODEL_KINDS, RECEIVED
from ngf_core.runs.lineage import model_files

TEXT = sections("inside")
LAST_CONVOLUTION = "last"


def page() -> None:
    """Choose models, show what happens inside them."""
    st.title(TEXT["title"], anchor=False)
    st.markdown(TEXT["intro"])
    run = pick_run(("purify", *MODEL_KINDS), label="Models of",
                   keep=lambda run: run.state == "done")
    if run is None:
        st.info(TEXT["empty"], icon=":material/hourglass_empty:")
        st.page_link("app/views/configure.py", label="Train a model", icon=":material/tune:")
        return
    model_notice(run)
    after, look = _controls(run)
    guarded(_shown)(run, after, look)
    st.code(look.command(run.id), language="bash", wrap_lines=True)


def _shown(run: Run, after: str | None, look: Look) -> None:
    if runs_foreign_code(run):
        st.info(TEXT["code"], icon=":material/code:")
    elif is_quick(run) or _asked(run):
        _look(run, after, look)


def _controls(run: Run) -> tuple[str | None, Look]:
    methods = [name for name in model_files(run) if name != RECEIVED]
    layers = {LAST_CONVOLUTION: "Last convolution"} | same(state.layers_of(run))
    with st.grid(columns=4, min_column_width=160, vertical_alignment="bottom",
                 key="inside_controls"):
        after = choose("after", "After", {name: style(name).label for name in methods},
                       methods[0]) if methods else None
        images = number("n", "Images", Look.images, FEWEST, MOST, step=20,
                        help="Clean test images, and as many triggered ones, drawn at random.")
        seed = number("seed", "Seed", Look.seed, 0, 9999, step=1,
                      help="Of the draw of images and of the noise of the saliency.")
        layer = choose("layer", "Channels of", layers, LAST_CONVOLUTION,
                       help="The layer whose channels are compared with and without the trigger.")
    if not methods:
        st.caption(TEXT["not purified"])
    return after, Look(int(images), int(seed), "" if layer == LAST_CONVOLUTION else layer)


def _asked(run: Run) -> bool:
    """Whether the user asked for a look that takes long."""
    st.info(TEXT["long"], icon=":material/timer:")
    return st.toggle("Look inside all the same", key=f"inside_long_{run.id}")


def _look(run: Run, after: str | None, look: Look) -> None:
    from app.widgets.inside.channels_card import channels_card
    from app.widgets.inside.confusion_card import confusion_card
    from app.widgets.inside.projection_card import projection_card
    from app.widgets.inside.saliency_card import saliency_card

    inside = inside_of(run, look)
    if not inside.has_trigger:
        st.info(TEXT["no trigger"], icon=":material/search_off:")
    clean = f"{len(inside.images['clean']):,}"
    drawn = f" and {len(inside.images['triggered']):,} triggered" if inside.has_trigger else ""
    origin = Origin({"Run": run.id, "Seed": str(look.seed), "n": f"{clean} clean{drawn} images",
                     "Settings": f"channels of {inside.layer}, BatchNorm fixed, float32"},
                    look.command(run.id))
    st.fragment(guarded(projection_card))(inside, run, after, origin)
    guarded(confusion_card)(inside, after, origin)
    if inside.has_trigger:
        guarded(channels_card)(inside, after, origin)
        guarded(saliency_card)(inside, run, look, after, origin)
    st.caption(TEXT["everything"].format(clean=clean, triggered=drawn, seed=look.seed))


guarded(page)()
