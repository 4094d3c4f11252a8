"""Where a session is in the lesson: its scene and whether the answer is shown, both in the address.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from app import state
from app.read.lesson.scene import Scene
from app.widgets.lesson.pictures import CONTROLS

SHOWN = "yes"


@dataclass(frozen=True)
class Course:
    """The scenes, the one that is shown, and how one gets on from it."""

    scenes: Sequence[Scene]
    at: int
    shown: bool

    @property
    def scene(self) -> Scene:
        """The scene that is shown."""
        return self.scenes[self.at]

    @property
    def word(self) -> str:
        """The scene and whether its answer is shown, in a word."""
        return f"{self.scene.name}:{self.shown}"

    @property
    def next(self) -> tuple[str, bool] | None:
        """What comes next: first the answer of this scene, then the next scene; None at the end."""
        if not self.shown:
            return self.scene.name, True
        return (self.scenes[self.at + 1].name, False) if self.at + 1 < len(self.scenes) else None

    @property
    def back(self) -> tuple[str, bool] | None:
        """What came before: this scene without its answer, or the answer of the scene before."""
        if self.shown:
            return self.scene.name, False
        return (self.scenes[self.at - 1].name, True) if self.at else None


def course(scenes: Sequence[Scene]) -> Course:
    """The course as the address has it; one toast for a scene that there is not."""
    names = [scene.name for scene in scenes]
    state.warn_unknown("scene", names)
    state.warn_unknown("shown", [SHOWN])
    linked = st.query_params.get("scene")
    at = names.index(linked) if linked in names else 0
    return Course(scenes, at, st.query_params.get("shown") == SHOWN)


def go(scene: str, shown: bool) -> None:
    """Take this session to a scene, or to its answer; before the page is drawn."""
    if scene != st.query_params.get("scene"):
        state.leave_out(CONTROLS)
        state.forget_choices(CONTROLS)
    state.write_address({"scene": scene, "shown": SHOWN if shown else None})
