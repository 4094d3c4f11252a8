"""Harmless payloads and how their effect is seen."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE, VARIABLE, ATTRIBUTE = "EXECUTED", "NGF_EXECUTED", "ngf_executed"
# What Python reports (PEP 578) of programs, connections and code that reading a file never needs.
WATCHED = ("os.system", "os.exec", "os.fork", "os.posix_spawn", "subprocess.Popen", "pty.spawn",
           "socket.connect", "socket.getaddrinfo", "urllib.Request", "webbrowser.open",
           "os.putenv", "os.remove", "os.rename", "os.mkdir", "shutil.rmtree", "code.__new__")


class Executed(Exception):
    """Something of the file was run: the events that gave it away."""


@contextmanager
def watched(allowed: tuple[str, ...] = ()) -> Iterator[None]:
    """Raise Executed where any of WATCHED but the `allowed` happens in here."""
    named = set(WATCHED) - set(allowed)
    seen: list[str] = []
    on = [True]  # a hook cannot be taken off again
    sys.addaudithook(lambda event, _: seen.append(event) if on and event in named else None)
    try:
        yield
    finally:
        on.clear()
        if seen:
            raise Executed(", ".join(seen))


def effects(folder: Path) -> list[str]:
    """Which marks a payload has left in this process, and in the folder that it was given in."""
    left = [path.name for path in folder.rglob(f"*{FILE}*")]
    return [*left, *([VARIABLE] if VARIABLE in os.environ else []),
            *([ATTRIBUTE] if hasattr(sys.modules.get("torch"), ATTRIBUTE) else [])]
