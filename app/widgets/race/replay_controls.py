"""Buttons of a replay: restart, play or pause, one step back or forward, speed, slider."""

import time
from collections.abc import Callable

import streamlit as st

from app import state
from app.widgets.race.replay import Replay

SPEEDS = {"0.5x": 0.5, "1x": 1.0, "2x": 2.0, "4x": 4.0}


def replay_of(key: str, total: int) -> Replay:
    """The session's replay under `key`. A new one is paused at the end."""
    replay = state.remembered(key)
    if replay is None or replay.total != total:
        replay = Replay(total).go_to(total)
        state.remember(key, replay)
    return replay


def replay_tick(replay: Replay) -> float | None:
    """The `run_every` of the fragment that shows a replay: None while nothing moves."""
    return replay.tick if replay.playing(time.time()) else None


def replay_controls(key: str, replay: Replay, steps: list[int], *, slider: bool = False) -> int:
    """Draw the controls; returns the recorded step that is shown now."""
    now = time.time()
    position, playing = replay.position(now), replay.playing(now)

    def button(name: str, icon: str, help: str, change: Callable[[float], Replay],
               disabled: bool = False) -> None:
        st.button(name, key=f"{key}_{name.lower()}", icon=f":material/{icon}:", help=help,
                  disabled=disabled, on_click=lambda: state.remember(key, change(time.time())))

    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
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


def _set_speed(key: str) -> None:
    speed = SPEEDS[state.remembered(f"{key}_speed")]
    state.remember(key, state.remembered(key).at_speed(time.time(), speed))


def _slide(key: str, steps: list[int]) -> None:
    position = steps.index(state.remembered(f"{key}_slider"))
    state.remember(key, state.remembered(key).go_to(position))
