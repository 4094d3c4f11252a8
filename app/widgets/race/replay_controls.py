"""Buttons of a replay: restart, play or pause, one step back or forward, speed, slider."""

import time
from collections.abc import Callable, Sequence

import streamlit as st

from app import state
from app.widgets.race.replay import Replay

# What the address is once a control has moved the replay, until the new step is written: a browser
# that is slower than its user still sends the old one.
BEHIND = "behind"
SPEEDS = {"0.5x": 0.5, "1x": 1.0, "2x": 2.0, "4x": 4.0}


def replay_of(key: str, steps: Sequence[int]) -> Replay:
    """The session's replay under `key`, of the recorded `steps`; a new one is paused at the end.

    It goes where the address, ?step=, says, whenever that has changed: a link was followed, or the
    browser went back. Without ?step= that is the end.
    """
    replay = state.remembered(key)
    if replay is None or replay.total != len(steps):
        replay = Replay(len(steps)).go_to(len(steps))
        state.remember(key, replay)
    linked, known = st.query_params.get("step"), state.remembered(f"{key}_in_url")
    if linked != known and known != BEHIND:
        words = [str(step) for step in steps]
        state.warn_unknown("step", words)
        replay = replay.go_to(words.index(linked) if linked in words else len(steps))
        state.remember(key, replay)
        state.remember(f"{key}_in_url", linked)
    return replay


def go_to_step(key: str, steps: Sequence[int], step: int) -> None:
    """Stop the replay under `key` at a recorded step."""
    _move(key, state.remembered(key).go_to(steps.index(step)))


def replay_tick(replay: Replay) -> float | None:
    """The `run_every` of the fragment that shows a replay: None while nothing moves."""
    return replay.tick if replay.playing(time.time()) else None


def replay_controls(key: str, replay: Replay, steps: list[int], *, slider: bool = False) -> int:
    """Draw the controls; returns the recorded step that is shown now, which is in the address while
    the replay rests somewhere before the end."""
    now = time.time()
    position, playing = replay.position(now), replay.playing(now)
    if not playing:
        resting = None if position == replay.last else str(steps[position])
        state.write_url("step", resting)
        state.remember(f"{key}_in_url", resting)

    def button(name: str, icon: str, help: str, change: Callable[[float], Replay],
               disabled: bool = False) -> None:
        st.button(name, key=f"{key}_{name.lower()}", icon=f":material/{icon}:", help=help,
                  disabled=disabled, on_click=lambda: _move(key, change(time.time())))

    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if playing:
            button("Pause", "pause", "Stop here", replay.pause)
        else:
            button("Play", "play_arrow", "Replay the recorded race", replay.play)
        button("Restart", "replay", "Play from the start", replay.restart)
        button("Back", "skip_previous", "One recorded evaluation back",
               lambda at: replay.step(at, -1), disabled=position == 0)
        button("Forward", "skip_next", "One recorded evaluation forward",
               lambda at: replay.step(at, 1), disabled=position == replay.last)
        st.segmented_control("Speed", list(SPEEDS), default="1x", key=f"{key}_speed",
                             required=True, label_visibility="collapsed",
                             on_change=lambda: _set_speed(key))
    if slider and len(steps) > 1:
        state.remember(f"{key}_slider", steps[position])
        st.select_slider("Recorded evaluation (step)", steps, value=steps[position],
                         key=f"{key}_slider", label_visibility="collapsed",
                         on_change=lambda: _slide(key, steps))
    return steps[position] if steps else 0


def _move(key: str, replay: Replay) -> None:
    state.remember(key, replay)
    state.remember(f"{key}_in_url", BEHIND)


def _set_speed(key: str) -> None:
    speed = SPEEDS[state.remembered(f"{key}_speed")]
    state.remember(key, state.remembered(key).at_speed(time.time(), speed))


def _slide(key: str, steps: list[int]) -> None:
    go_to_step(key, steps, state.remembered(f"{key}_slider"))
