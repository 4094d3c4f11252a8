"""Start: put the trigger on, watch two ways to take the backdoor out, and read how it ended."""

from collections.abc import Mapping

import numpy as np
import streamlit as st

from app import state
from app.read.measurement import measurement_of
from app.read.model_in_hand import holder_of_model, model_of
from app.read.recording import recording_of
from app.text import define_all, sections
from app.widgets.attacks.in_address import of_configure
from app.widgets.controls.notice import guarded, model_notice, versions_notice
from app.widgets.race.outcome import outcome, protocol
from app.widgets.race.spread_over_seeds import spread_over_seeds
from app.widgets.start.first_touch import first_touch
from app.widgets.start.scenario import Scenario, scenario_picker, scenarios
from app.widgets.start.touch_record import touch_record
from app.widgets.start.verdict import verdict
from ngf_core.config import PurifyConfig
from ngf_core.config.imported import as_training
from ngf_core.runs.attack_check import verdict as verdict_on_attack
from ngf_core.runs.lineage import training_of

TEXT = sections("start")
NEXT = (("spectrum", "Did it get flatter?", "bar_chart"),
        ("landscape", "Walk its landscape", "terrain"))
WAYS = {1: "one way", 2: "two ways", 3: "three ways"}


def page() -> None:
    """The first sixty seconds: a trigger to put on, a purification to move through, a verdict."""
    races = scenarios(state.store())
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title(TEXT["title"], anchor=False, width="content")
        st.page_link("app/views/lesson.py", label=TEXT["lesson"], icon=":material/school:")
    if not races:
        st.info(TEXT["nothing"])
        st.page_link("app/views/configure.py", label="Train a model",
                     icon=":material/play_arrow:")
        return
    sentence = st.empty()
    chosen = scenario_picker(races)
    sentence.header(_promise(chosen), anchor=False)
    model_notice(chosen.run)
    versions_notice(chosen.run)
    st.fragment(guarded(_touch))(chosen)
    _ending(chosen)
    st.divider()
    guarded(verdict)([race.run for race in races.values() if race.dataset == chosen.dataset])
    st.divider()
    _your_turn(chosen)


def _promise(chosen: Scenario) -> str:
    """What is to be seen: nothing is hidden in a benign model, and little in one whose attack did
    not take."""
    count = len(chosen.run.config_as(PurifyConfig).methods)
    if chosen.attack == "none":
        which = "benign"
    elif verdict_on_attack(chosen.run, state.store()):
        which = "weak"
    else:
        which = "promise"
    return TEXT[which].format(ways=WAYS.get(count, f"{count} ways"))


def _touch(chosen: Scenario) -> None:
    recording = recording_of(chosen.run)
    if "clean" not in recording.samples:
        st.caption("This run recorded no sample images.")
        return
    record = touch_record(recording, state.class_names(chosen.dataset, chosen.run),
                          _landscape(chosen))
    first_touch(record, chosen.run.id, key="first_touch")


def _landscape(chosen: Scenario) -> Mapping[str, np.ndarray] | None:
    run = measurement_of(chosen.run, "landscape")
    return None if run is None else state.arrays(run, "landscape")


def _ending(chosen: Scenario) -> None:
    results, config = chosen.run.results, chosen.run.config_as(PurifyConfig)
    st.markdown(outcome(results, config.names))
    spread_over_seeds(chosen.run)
    st.caption(f"{TEXT['conditions']} {protocol(config, results)}",
               help=define_all("Tuned layer", "Clean set", "Augmentation", "BatchNorm"))
    with st.container(horizontal=True):
        st.page_link("app/views/race.py", label="Open this race", icon=":material/flag:",
                     query_params={"run": chosen.run.id})
        for kind, label, icon in NEXT:
            if (run := measurement_of(chosen.run, kind)) is not None:
                st.page_link(f"app/views/{kind}.py", label=label, icon=f":material/{icon}:",
                             query_params={"run": run.id})


def _your_turn(chosen: Scenario) -> None:
    st.header("Your turn", anchor=False)
    with st.container(horizontal=True):
        if st.button("Train it for real", type="primary", icon=":material/play_arrow:",
                     key="train_it"):
            made = training_of(chosen.run, state.store())
            st.switch_page("app/views/configure.py", query_params=of_configure(as_training(made)))
        holder = holder_of_model(model_of(chosen.run, state.store())) or chosen.run
        st.page_link("app/views/attacks.py", label="Paint your own trigger",
                     icon=":material/brush:", query_params={"run": holder.id})


guarded(page)()
