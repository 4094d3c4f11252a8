"""The dashboard in its own server process, on a free port, with its own folder of runs."""

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ngf_core.runs import RunStore, jobs
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Server:
    """A running server: its address, the store it reads, what it printed, its process."""

    url: str
    store: RunStore
    log: Path
    pid: int

    def traces(self) -> str:
        """The first stack trace that the server printed; nothing where there is none."""
        printed = self.log.read_text()
        start = printed.find("Traceback")
        return "" if start < 0 else printed[max(0, start - 200):start + 4000]


def started(folder: Path, log: Path, path: str = "", options: Sequence[str] = (), **settings: str
            ) -> tuple[Server, subprocess.Popen]:
    """The dashboard over `folder`/runs, below `path` ("/ngf"), once it answers, and its process;
    `log` gets what it prints. `options` are Streamlit's, `settings` variables of the environment:
    NGF_TOKEN="sesame".

    Raises AssertionError where it ends instead.
    """
    port = _free_port()
    store = RunStore(folder / "runs", ROOT / "assets" / "zoo")
    command = [sys.executable, "-m", "ngf_core", "app",
               "--server.headless", "true", "--server.port", str(port),
               "--server.baseUrlPath", path.strip("/"), *options]
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT,
                                   env=os.environ | {"NGF_RUNS": str(folder / "runs")} | settings)
    server = Server(f"http://127.0.0.1:{port}{path}", store, log, process.pid)
    try:
        until(lambda: _healthy(server.url, process), seconds=240)
    except BaseException:
        _stop(process)
        raise
    return server, process


@contextmanager
def serving(folder: Path, path: str = "", options: Sequence[str] = (), **settings: str
            ) -> Iterator[Server]:
    """The server of `started`; at the end its jobs and then it itself stop."""
    server, process = started(folder, folder / "log", path, options, **settings)
    try:
        yield server
    finally:
        _stop(process)
        # A zoo that is being built is live too; it is not this test's to stop.
        own = [run for run in jobs.live(server.store) if not run.shipped]
        for stopping in [jobs.cancel(run) for run in own]:
            stopping.join()


def _stop(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _healthy(url: str, process: subprocess.Popen) -> bool:
    assert process.poll() is None, f"the server ended with {process.returncode}"
    try:
        return urllib.request.urlopen(f"{url}/_stcore/health", timeout=5).status == 200
    except (urllib.error.URLError, OSError):
        return False
