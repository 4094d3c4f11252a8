"""What a launcher is, whatever it starts workers on."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Command:
    """The words of a worker's command, and the file that its output is added to."""

    words: tuple[str, ...]
    log: Path

    def start(self, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        """The worker, as a process in a group of its own."""
        with open(self.log, "ab") as log:
            return subprocess.Popen(self.words, env=dict(environment), stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=log, start_new_session=True)


@dataclass(frozen=True)
class Task:
    """What one worker computes: a run, by its id, or what is measured of one. Its command, and the
    runs that have to be there before."""

    name: str
    command: Command
    needs: tuple[str, ...] = field(default=())


class Launcher(Protocol):
    """Starts the workers of tasks. What becomes of a task its run directory tells; until there is
    one, `ngf_core.launch.submitted` does."""

    def refuse(self, seconds: float) -> None:
        """Raise NGFError where a task cannot be computed that needs so many seconds without a
        stop."""

    def submit(self, stages: Sequence[Sequence[Task]], folder: Path) -> str:
        """Start the workers of all tasks, those of a stage after those of the stages before; what
        was done, as a sentence. What the launcher has to remember is kept in `folder`."""
