"""What a browser or a stranger sent is opened in a process of its own, one at a time.

That process has little memory, time and disk, does not see the server's settings and secrets, and
where the kernel can (see `confined`) reads nothing but that file and programs' code, and writes
nothing but one folder. It leaves there what it made and a report as JSON; the caller reads these.
"""

import json
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

import ngf_core
from ngf_core.errors import ConfigError, NGFError
from ngf_core.imports.confined import confine
from ngf_core.runs.jobs import environment

# Seconds that a file waits for those before it: thirty of a class, each up to a minute.
PATIENCE = 1800.0
LOOK, TELL = 0.1, 1.0  # seconds after which one that waits looks, and says so, again
REPORT, MOST_REPORT = "report.json", 20_000_000
# What Python and torch need of the environment.
NEEDED = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "HOME", "LANG", "TMPDIR", "TEMP", "SYSTEMROOT")
# A confined thread does not confine those that run already.
ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Lost(Exception):
    """The process ended without a report: over a limit, or crashed."""


@contextmanager
def turn(folder: Path, patience: float = PATIENCE, waiting: Callable[[], object] = lambda: None
         ) -> Iterator[None]:
    """Hold the one place there is for opening files into `folder`: first come, first served.

    `waiting()` is called again and again while others are before it; what it raises ends the wait.
    Raises NGFError where its turn has not come within `patience` seconds.
    """
    ticket = _ticket(folder)
    try:
        now = time.monotonic()
        until, tell = now + patience, now + TELL
        while _others_before(ticket, folder):
            now = time.monotonic()
            if now >= until:
                raise NGFError("Other files are being opened here, one after the other, and this "
                               "one's turn has not come. Try again in some minutes.")
            if now >= tell:
                waiting()
                tell = now + TELL
            time.sleep(min(LOOK, until - now))
        yield
    finally:
        _tear(ticket)


def _ticket(folder: Path) -> FileLock:
    """The next number beside the folder, held until it is torn: the system releases that of a
    process that ends, however it ends."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        last = max(_numbers(folder), default=0)
        ticket = FileLock(_place(folder, last + 1), thread_local=False)
        ticket.acquire()
    return ticket


def _others_before(ticket: FileLock, folder: Path) -> bool:
    """Whether somebody holds a lower number; numbers that nobody holds any more are torn."""
    for number in sorted(_numbers(folder)):
        if _place(folder, number) == Path(ticket.lock_file):
            break
        other = FileLock(_place(folder, number))
        try:
            other.acquire(timeout=0)
        except Timeout:
            return True
        _tear(other)
    return False


def _place(folder: Path, number: int) -> Path:
    return folder.with_name(f"{folder.name}-{number}.lock")


def _numbers(folder: Path) -> list[int]:
    names = (path.name for path in folder.parent.glob(f"{folder.name}-*.lock"))
    parts = (name.removeprefix(f"{folder.name}-").removesuffix(".lock") for name in names)
    return [int(part) for part in parts if part.isdecimal()]


def _tear(ticket: FileLock) -> None:
    with suppress(OSError):  # Windows removes no file that is open: who comes later does
        Path(ticket.lock_file).unlink()  # before the release, so that it is no later one's
    ticket.release()


def aside(task: str, file: Path, folder: Path, *words: str, memory_gb: float, seconds: float
          ) -> dict[str, Any]:
    """The report of `task`, a "module:function" of this package, on a file from outside.

    It is called with the file, the folder to write into, and `words`. Raises what it raises of
    NGFError and ConfigError, and Lost.
    """
    command = [sys.executable, "-m", "ngf_core.imports.aside", task, str(file.absolute()),
               str(folder.absolute()), str(memory_gb), str(seconds), *words]
    try:
        subprocess.run(command, timeout=seconds + 30, env=_bare(), stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        report = folder / REPORT
        if report.stat().st_size > MOST_REPORT:
            raise Lost
        answer = json.loads(report.read_text(encoding="utf-8"))
    except (subprocess.TimeoutExpired, OSError, ValueError, RecursionError):
        raise Lost from None
    if not isinstance(answer, dict):
        raise Lost
    if "wrong" in answer:
        raise ConfigError(*answer["wrong"])
    return answer


def _bare() -> dict[str, str]:
    """The environment without the server's settings and secrets."""
    return {name: value for name, value in environment().items() if name in NEEDED} | ALONE


# ---- in the process itself


def main(arguments: list[str]) -> None:
    """`python -m ngf_core.imports.aside MODULE:FUNCTION FILE FOLDER GB SECONDS [WORD ...]`."""
    task, path, into, memory_gb, seconds, *words = arguments
    file, folder = Path(path), Path(into)
    module, _, function = task.partition(":")
    # Before the limits: libraries take address space, and read files, of their own.
    do = getattr(import_module(module), function)
    _limit(float(memory_gb), float(seconds))
    confine((*_code(), file), folder)
    try:
        report = do(file, folder, *words)
    except ConfigError as error:
        report = {"wrong": [error.field, error.why, error.fix]}
    (folder / REPORT).write_text(json.dumps(report), encoding="utf-8")


def _code() -> list[Path]:
    """Where the code lies that may still be imported: Python's, the libraries', this package's."""
    places = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return [*filter(Path.is_dir, map(Path, sorted(places))), Path(ngf_core.__file__).parent]


def _limit(memory_gb: float, seconds: float) -> None:
    """Bound what this process may take, on systems that can."""
    try:
        import resource
    except ImportError:
        return
    import psutil

    # Twice: what was read, and a copy of it in the order of the format.
    most = int(2 * memory_gb * 1e9)
    now = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (int(now + most + 5e8),) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (most + MOST_REPORT,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main(sys.argv[1:])
