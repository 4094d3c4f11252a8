"""Cases are given in a process of their own, which may end, and judged here."""

import json
import os
import re
import resource
import select
import shutil
import signal
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path

from tests.campaigns.hostile.case import TAKEN, Case, Give, Outcome, Verdict
from tests.campaigns.hostile.marks import Executed, effects

SECONDS, MEMORY = 200.0, 6 * 10**9
# What a limit of the reading process says, which holds for anything.
LIMIT = "could not be (read|unpacked) within"
# Sentences that name no fault.
NOTHING = re.compile(r"something unexpected|could not be drawn|traceback", re.IGNORECASE)


def judge(case: Case, thoroughly: bool) -> Verdict:
    """The verdict on a case; its other door is tried too where `thoroughly`."""
    doors = [case.give, *([case.also] if case.also and thoroughly else [])]
    outcomes = tuple(map(_given, doors))
    wrong = next(filter(None, (_wrong(case, outcome, i > 0)
                               for i, outcome in enumerate(outcomes))), "")
    return Verdict(case, outcomes, wrong)


def _wrong(case: Case, outcome: Outcome, other: bool) -> str:
    if outcome.executed:
        return f"it ran: {', '.join(outcome.executed)}"
    if outcome.broke:
        return outcome.broke
    if other and re.search(LIMIT, outcome.said):
        return ""
    if NOTHING.search(outcome.said):
        return f"no fault is named: {outcome.said[:200]}"
    if not re.search(case.says, outcome.said):
        return f"it says {outcome.said[:300]!r} and not {case.says!r}"
    return ""


def _given(give: Give) -> Outcome:
    folder = Path(tempfile.mkdtemp(prefix="hostile-"))
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if not child:
        os.close(reading)
        _in_the_child(give, folder, writing)
    os.close(writing)
    try:
        ready, _, _ = select.select([reading], [], [], SECONDS)
        if not ready:
            os.kill(child, signal.SIGKILL)
        with os.fdopen(reading, "rb") as answers:
            answer = answers.read()
        _, status = os.waitpid(child, 0)
        if not answer:
            return Outcome("", (), f"the process ended with {os.waitstatus_to_exitcode(status)}"
                           if ready else f"no answer within {SECONDS:g} seconds")
        said = json.loads(answer)
        return Outcome(said["said"], tuple(said["executed"]), said["broke"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _in_the_child(give: Give, folder: Path, writing: int) -> None:
    said, broke, ran = "", "", []
    try:
        os.chdir(folder)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        said = give(folder)
    except Executed as error:
        ran = [str(error)]
    except BaseException as error:
        broke = f"{type(error).__name__}: {str(error)[:600]} | " + " < ".join(
            f"{Path(frame.filename).name}:{frame.lineno}" for frame in
            reversed(traceback.extract_tb(error.__traceback__)[-6:]))
    finally:
        answer = {"said": said, "broke": broke, "executed": [*ran, *effects(folder)]}
        os.write(writing, json.dumps(answer | {"said": said[:20_000]}).encode())
        os._exit(0)


def harmless(verdict: Verdict) -> bool:
    """Whether the thing was accepted, as it may be."""
    return bool(verdict.outcomes) and verdict.outcomes[0].said == TAKEN
