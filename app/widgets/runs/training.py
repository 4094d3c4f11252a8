"""The training run that Configure started: its progress, its curve, its numbers."""

import streamlit as st

from app import state
from app.figures.curves import curve_table, race_alt, race_options
from app.figures.origin import of_run
from app.text import sections
from app.text.outside import plain
from app.widgets.controls.address import run_in_address
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.figure_card import figure_card
from app.widgets.controls.notice import model_notice, versions_notice
from app.widgets.runs.follow import follow
from app.widgets.runs.result_tiles import result_tiles
from app.widgets.runs.run_name import run_name
from ngf_core.config import TrainConfig
from ngf_core.runs import Run


def followed_training() -> Run | None:
    """Follow the training run in ?run=, then show its numbers and the next step; that run.

    While it is live no form should be drawn, since a page that is still making images would delay
    the curve.
    """
    run = run_in_address()
    if run is None:
        return None
    if run.kind != "train":
        st.info(f"Run {run.id} is not a training run; this page follows training runs.")
        st.page_link("app/views/runs.py", label="Open it", query_params={"run": run.id})
        return None
    with st.container(border=True, key="started"):
        st.markdown(f"**{plain(run_name(run, state.store()))}**")
        if follow(run, draw=training_curve):
            model_notice(run)
            versions_notice(run)
            result_tiles(run.results["train"], key="trained")
            training_curve(run)
            if st.button("Race NGF against SGD on this model", key="race", type="primary",
                         icon=":material/flag:"):
                st.switch_page("app/views/race.py", query_params={"source": run.id})
    return run


def another_model() -> None:
    """A button from a live run to the form."""
    if st.button("Configure another model", icon=":material/add:", key="another"):
        state.write_url("run", None)
        st.rerun()


def training_curve(run: Run) -> None:
    """ACC and, for a backdoored model, ASR of a training run after each epoch so far;
    nothing before the first."""
    points, config = run.points(), run.config_as(TrainConfig)
    if points.empty:
        return
    benign = config.attack == "none"
    metrics = ["acc"] if benign else ["asr", "acc"]
    caption = sections("configure")["benign curve" if benign else "curve"]
    options = race_options(points, ["train"], metrics, x_max=float(config.epochs),
                           dark=is_dark())
    options["xAxis"]["name"] = "Epoch"
    options["series"] = [line for line in options["series"] if line["id"].startswith("train-")]
    figure_card(options, key="train_curve", caption=caption, live=True, height=300,
                origin=of_run(run), filename=f"training-{run.id}",
                alt=race_alt(points, ["train"], metrics),
                table=curve_table(points, metrics))
