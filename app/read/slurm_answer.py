"""What became of a sweep's submissions, asked for all sessions of the server together.

Slurm answers within milliseconds or, when it is busy, within a minute, and dislikes to be asked by
every viewer every second. So a thread of its own asks, at most every AGAIN seconds. A page waits
PATIENCE seconds for a first answer, later ones it shows when they are there.
"""

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from ngf_core.errors import NGFError
from ngf_core.launch.submitted import Submitted, submitted

AGAIN, PATIENCE, BRIEF, OLDEST = 10.0, 3.0, 0.3, 120.0
Answer = Mapping[str, Submitted]


@dataclass
class Asking:
    """The last answer for a folder of submissions, and the question that is on its way."""

    folder: Path
    answered: Answer | None = None
    at: float = float("-inf")
    question: "Future[Answer] | None" = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self) -> Answer:
        """What `submitted` says, or said at most OLDEST seconds ago. Raises what it raises, and
        NGFError where there is no answer yet."""
        with self.lock:
            if self.question is None or (self.question.done()
                                         and time.monotonic() - self.at > AGAIN):
                self.question, self.at = Future(), time.monotonic()
                threading.Thread(target=_ask, args=(self.folder, self.question),
                                 daemon=True).start()
            question, at, before = self.question, self.at, self.answered
        with suppress(TimeoutError):
            self.answered = question.result(PATIENCE if before is None else BRIEF)
            return self.answered
        waited = time.monotonic() - at
        if before is not None and waited < OLDEST:
            return before
        raise NGFError(f"Slurm has not answered for {waited:.0f} s.")


def _ask(folder: Path, question: "Future[Answer]") -> None:
    try:
        question.set_result(submitted(folder))
    except BaseException as error:
        question.set_exception(error)


@st.cache_resource(max_entries=32, show_spinner=False)
def asking(folder: str) -> Asking:
    """The one for that folder in this process."""
    return Asking(Path(folder))
