"""Start: a shipped race replays automatically, and the pictures show what the trigger does."""

import streamlit as st

from app import state
from app.read.recording import recording_of
from app.text import define_all, sections
from app.theme import style
from app.widgets.controls.notice import guarded, model_notice, versions_notice
from app.widgets.race.outcome import outcome, protocol
from app.widgets.race.prediction_strip import prediction_strip
from app.widgets.race.race_card import race_card
from app.widgets.race.rate_tiles import rate_tiles
from app.widgets.race.replay_controls import replay_controls, replay_of, replay_tick
from app.widgets.start.scenario import Scenario, scenario_picker, scenarios
from app.widgets.start.teaser import landscape_teaser, spectrum_teaser
from ngf_core.config import PurifyConfig
from ngf_core.runs import Run

TEXT = sections("start")
WAYS = {1: "one way", 2: "two ways", 3: "three ways"}


def page() -> None:
    """The first sixty seconds: a race, four pictures, the landscape, a model of your own."""
    races = scenarios(state.store())
    st.title(TEXT["title"], anchor=False)
    if not races:
        st.info(TEXT["nothing"])
        st.page_link("app/views/configure.py", label="Train a model",
                     icon=":material/play_arrow:")
        return
    sentence = st.empty()
    chosen = scenario_picker(races)
    ways = WAYS[len(chosen.run.config_as(PurifyConfig).methods)]
    sentence.subheader(TEXT["promise"].format(ways=ways), anchor=False)
    st.markdown(TEXT["reading"])
    model_notice(chosen.run)
    versions_notice(chosen.run)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _replay(chosen.run)
    with right:
        st.fragment(guarded(_pictures))(chosen)
    results, config = chosen.run.results, chosen.run.config_as(PurifyConfig)
    st.markdown(outcome(results, config.names))
    st.caption(f"{TEXT['conditions']} {protocol(config, results)}",
               help=define_all("Tuned layer", "Clean set", "Augmentation", "BatchNorm"))
    _your_turn(chosen)


def _replay(run: Run) -> None:
    key = f"start_{run.id}"
    replay = replay_of(key, len(recording_of(run).steps), autoplay=True)
    tick = replay_tick(replay)
    st.fragment(guarded(_race), run_every=tick)(run, key, tick)


def _race(run: Run, key: str, tick: float | None) -> None:
    recording = recording_of(run)
    replay = replay_of(key, len(recording.steps), autoplay=True)
    if replay_tick(replay) != tick:
        st.rerun()
    step = replay_controls(key, replay, recording.steps)
    race_card(recording, ("asr", "acc"), key="start_race", filename=f"race-{run.id}", step=step,
              x_max=float(recording.steps[-1]), height=360)
    rate_tiles(recording, recording.methods, step=step, key="start_tiles")


def _pictures(chosen: Scenario) -> None:
    recording = recording_of(chosen.run)
    st.markdown(TEXT["images"])
    triggered = st.toggle("Trigger", key="trigger")
    best = "ngf" if "ngf" in recording.methods else recording.methods[0]
    prediction_strip(recording, state.class_names(chosen.dataset, chosen.run), methods=(best,),
                     triggered=triggered, key="start_pictures", columns=2)
    st.caption(f"The first samples that the received model gets right without the trigger; "
               f"after {style(best).label} is after its last step.")


def _your_turn(chosen: Scenario) -> None:
    st.divider()
    left, right = st.columns([3, 2], gap="large")
    with left:
        landscape_teaser(chosen.run, TEXT["landscape"])
    with right:
        spectrum_teaser(chosen.run, TEXT["spectrum"])
        st.subheader("Your turn", anchor=False)
        if st.button("Train it for real", type="primary", icon=":material/play_arrow:",
                     key="train_it"):
            st.switch_page("app/views/configure.py", query_params={
                "dataset": chosen.dataset, "attack": chosen.attack})


guarded(page)()
