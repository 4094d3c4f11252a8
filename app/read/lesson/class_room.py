"""A class that follows a lesson: the scene that its presenter shows, and how it voted.

Everything lies in this process's memory, none of it on disk, and no vote has a name: a browser is
known by the hash that `app.state.browser` makes. A class is forgotten when its presenter ends it,
when nobody has been there for `IDLE` seconds, and when the server stops.
"""

import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

import streamlit as st

# Letters and digits that nobody takes for one another from the last row.
ALPHABET, LENGTH = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789", 5
IDLE = 3600.0
MOST_CLASSES, MOST_VOTERS = 50, 1000


@dataclass(frozen=True)
class Place:
    """Where a class is: its scene, whether the answer is shown, and how often it has moved."""

    scene: str
    shown: bool
    moves: int = 0

    def moved(self, scene: str, shown: bool) -> "Place":
        """The place after a move to a scene; this one where that is no move."""
        there = (self.scene, self.shown) == (scene, shown)
        return self if there else Place(scene, shown, self.moves + 1)


@dataclass
class _Class:
    presenter: str
    place: Place
    hall: Place
    opened: float
    seen: float
    votes: dict[str, dict[str, int]] = field(default_factory=dict)


class ClassRooms:
    """The classes of a server, by their codes. All methods may be called by many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, Lock()
        self._classes: dict[str, _Class] = {}

    def open(self, presenter: str, scene: str) -> str | None:
        """The code of a new class of this presenter; None where there are too many classes."""
        with self._lock:
            self._forget()
            if len(self._classes) >= MOST_CLASSES:
                return None
            code = ""
            while not code or code in self._classes:
                code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
            now = self._clock()
            first = Place(scene, False)
            self._classes[code] = _Class(presenter, first, first, now, now)
            return code

    def close(self, code: str, browser: str) -> None:
        """Forget a class and its votes, if this browser is its presenter's."""
        with self._lock:
            if self._presented(code, browser):
                del self._classes[code]

    def place(self, code: str) -> Place | None:
        """Where a class is; None where there is no such class, or no longer."""
        with self._lock:
            found = self._visited(code)
            return found.place if found else None

    def hall(self, code: str) -> Place | None:
        """Where its presenter is, who goes ahead of a class that is held."""
        with self._lock:
            found = self._visited(code)
            return found.hall if found else None

    def presents(self, code: str, browser: str) -> bool:
        """Whether this browser opened the class."""
        with self._lock:
            return self._presented(code, browser)

    def move(self, code: str, browser: str, scene: str, shown: bool, held: bool = False) -> None:
        """Take the hall to a scene, if this browser is its presenter's, and the class with it
        unless that is held."""
        with self._lock:
            if not self._presented(code, browser):
                return
            found = self._classes[code]
            found.hall = found.hall.moved(scene, shown)
            if not held:
                found.place = found.place.moved(scene, shown)

    def vote(self, code: str, browser: str, scene: str, option: int) -> None:
        """Count this browser's vote for an option of a scene; its last one counts."""
        with self._lock:
            found = self._classes.get(code)
            if found is None:
                return
            votes = found.votes.setdefault(scene, {})
            if browser in votes or len(votes) < MOST_VOTERS:
                votes[browser] = option

    def voted(self, code: str, browser: str, scene: str) -> int | None:
        """The option that this browser voted for; None where it has not."""
        with self._lock:
            found = self._classes.get(code)
            return found.votes.get(scene, {}).get(browser) if found else None

    def minutes(self, code: str) -> int:
        """How many whole minutes ago a class was opened; 0 where there is none."""
        with self._lock:
            found = self._classes.get(code)
            return int((self._clock() - found.opened) // 60) if found else 0

    def counts(self, code: str, scene: str) -> Counter[int]:
        """How many browsers voted for each option of a scene."""
        with self._lock:
            found = self._classes.get(code)
            return Counter(found.votes.get(scene, {}).values() if found else ())

    def _visited(self, code: str) -> _Class | None:
        self._forget()
        found = self._classes.get(code)
        if found:
            found.seen = self._clock()
        return found

    def _presented(self, code: str, browser: str) -> bool:
        found = self._classes.get(code)
        return found is not None and found.presenter == browser

    def _forget(self) -> None:
        now = self._clock()
        self._classes = {code: found for code, found in self._classes.items()
                         if now - found.seen < IDLE}


@st.cache_resource(show_spinner=False)
def class_rooms() -> ClassRooms:
    """The classes of this server."""
    return ClassRooms()
