"""Tasks handed out and waited for, by a command that goes on with what they computed."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ngf_core.launch.alone import alone
from ngf_core.launch.launcher import Launcher, Task
from ngf_core.launch.logs import clear, last_line
from ngf_core.launch.patience import patiently
from ngf_core.launch.submitted import Submitted, submitted

LOOK = 5.0


def carry_out(stages: Sequence[Sequence[Task]], is_done: Callable[[Task], bool],
              launcher: Launcher, folder: Path) -> dict[str, str]:
    """Compute these tasks; why each one ended that is not done then, by name.

    A task that a job computes already is waited for and not submitted again. Raises RunError where
    another process submits from `folder`, and what the launcher raises.
    """
    tasks = [task for stage in stages for task in stage]
    if not tasks:
        return {}
    with alone(folder):
        known = submitted(folder)
        left = [[task for task in stage if not _active(task, known)] for stage in stages]
        if any(left):
            launcher.refuse(0.0)
            for task in (task for stage in left for task in stage):
                clear(task.command.log)
            print(launcher.submit([stage for stage in left if stage], folder), flush=True)
    known = patiently(lambda: submitted(folder))
    while any(_active(task, known) for task in tasks):
        time.sleep(LOOK)
        known = patiently(lambda: submitted(folder))
    return {task.name: last_line(task.command.log) or known[task.name].said
            for task in tasks if not is_done(task)}


def _active(task: Task, known: dict[str, Submitted]) -> bool:
    return task.name in known and known[task.name].active
