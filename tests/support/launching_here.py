"""A launcher whose workers are calls in this process, which see what a test has put in place."""

import contextlib
import io
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import pytest

from ngf_core.launch.launcher import Task
from ngf_core.launch.settings import LaunchSettings


class LaunchingHere:
    """Calls `main` of each worker's module, one after the other; `names` are the tasks so far."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def refuse(self, seconds: float) -> None:
        """Nothing is refused."""

    def submit(self, stages: Sequence[Sequence[Task]], folder: Path) -> str:
        for task in (task for stage in stages for task in stage):
            _, _, module, *arguments = task.command.words
            said = io.StringIO()
            with contextlib.redirect_stderr(said):
                import_module(module).main(arguments)
            task.command.log.write_text(said.getvalue())
            self.names.append(task.name)
        return f"{len(self.names)} tasks in this process."


def launch_here(patch: pytest.MonkeyPatch, command: object) -> LaunchingHere:
    """Let a command's tasks be computed in this process."""
    here = LaunchingHere()

    def opened(settings: LaunchSettings) -> LaunchingHere:
        return here

    patch.setattr(command, "opened", opened)
    return here
