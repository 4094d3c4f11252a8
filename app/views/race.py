"""Race: start a purification race, follow it live, replay it step by step."""

import streamlit as st

from app import state
from app.figures.curves import METRICS
from app.read.recording import Recording, recording_of
from app.text import define_all, sections
from app.widgets.controls.address import choose
from app.widgets.controls.notice import guarded, model_notice, versions_notice
from app.widgets.race.outcome import outcome, protocol
from app.widgets.race.pointed_line import light_up_pointed_line
from app.widgets.race.race_curves import race_curves
from app.widgets.race.race_form import asks_for_form, open_form, race_form
from app.widgets.race.race_pictures import race_pictures
from app.widgets.race.rate_tiles import rate_tiles
from app.widgets.race.replay_controls import replay_controls, replay_of, replay_tick
from app.widgets.race.spread_over_seeds import spread_over_seeds
from app.widgets.runs.follow import ended_card, live_controls
from app.widgets.runs.run_picker import pick_run
from ngf_core.config import PurifyConfig
from ngf_core.runs import Run

TEXT = sections("race")
LOOK = 0.5
SHOWN = {METRICS[name].label: name for name in ("asr", "acc", "ra", "loss")} | {
    "Sharpness": "sharpness"}


def page() -> None:
    """Start a race (?source=) or watch one (?run=)."""
    st.title("Race", anchor=False)
    if asks_for_form():
        _new_race()
        return
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    with left:
        run = pick_run("purify", label="Race")
    if run is None:
        st.info(TEXT["nothing"])
        _new_race()
        return
    right.button("New race", icon=":material/flag:", key="new_race", width="stretch",
                 on_click=open_form)
    st.caption(protocol(run.config_as(PurifyConfig), run.results),
               help=define_all("Tuned layer", "Clean set", "Augmentation", "BatchNorm"))
    state.warn_unknown("show", list(SHOWN))
    model_notice(run)
    versions_notice(run)
    tick = _tick(run)
    st.fragment(guarded(_race), run_every=tick)(run, tick)
    light_up_pointed_line()


def _new_race() -> None:
    st.header("Start a new race", anchor=False)
    st.markdown(TEXT["intro"])
    guarded(race_form)()


def _tick(run: Run) -> float | None:
    """How often the race is drawn again: live, replaying, or not at all."""
    if run.live:
        return LOOK
    recording = recording_of(run)
    return replay_tick(replay_of(_replay_key(run), recording.steps))


def _replay_key(run: Run) -> str:
    return f"race_{run.id}"


def _race(run: Run, tick: float | None) -> None:
    run = run.now()
    live, now = run.live, _tick(run)
    if now != tick:
        _announce_end(run, live, tick)
        st.rerun()
    recording = recording_of(run)
    with st.container(key="race_controls"):
        step = None
        if live:
            live_controls(run)
        elif run.state != "done":
            ended_card(run)
        if recording.steps and not live:
            replay = replay_of(_replay_key(run), recording.steps)
            step = replay_controls(_replay_key(run), replay, recording.steps, slider=True)
    if not recording.steps:
        st.caption("No point has been measured yet.")
        return
    left, right = st.columns([3, 2], gap="large")
    with left:
        x, metrics = _view_controls(recording)
        race_curves(run, x, metrics, step, _replay_key(run))
    with right:
        race_pictures(run, step)
    rate_tiles(recording, recording.methods, step=step, key="race_tiles",
               metrics=[name for name in ("asr", "acc", "ra") if name in metrics])
    if run.state == "done":
        st.markdown(outcome(run.results, run.config_as(PurifyConfig).names))
        spread_over_seeds(run)


def _announce_end(run: Run, live: bool, tick: float | None) -> None:
    if not live and tick == LOOK and run.state == "done" and state.first_time(f"done:{run.id}"):
        st.toast("The race is finished.", icon=":material/flag:")


def _view_controls(recording: Recording) -> tuple[str, list[str]]:
    measured = [*recording.metrics, "loss", *["sharpness"] * recording.has_sharpness]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        offered = [label for label, name in SHOWN.items() if name in measured]
        shown = st.pills("Show", offered, selection_mode="multi", key="show",
                         default=[w for w in ("ASR", "ACC", "Sharpness") if w in offered],
                         bind="query-params")
        x = choose("x", "Against", {"step": "step", "seconds": "seconds"}, "step",
                   help="Steps of the optimiser, or seconds spent tuning (without the "
                        "evaluations).")
    return x, [SHOWN[label] for label in shown]


guarded(page)()
