"""A task for `aside` that tries what a hostile file would, were its code run."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch  # noqa: F401  with the threads that it and NumPy start

THREADS = len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 1


def pry(file: Path, folder: Path, secret: str, port: str) -> dict[str, str]:
    """What came of each attempt: "done", or the name of the error."""
    attempts: dict[str, Callable[[], object]] = {
        "read the file": file.read_bytes,
        "write into the folder": lambda: (folder / "made").write_text("x"),
        "read a secret": Path(secret).read_text,
        "list a folder": lambda: os.listdir(Path(secret).parent),
        "write beside": lambda: Path(secret).with_name("planted").write_text("x"),
        "change the file": lambda: file.write_text("x"),
        "link out": lambda: os.symlink(secret, folder / "link"),
        "read the server's memory": Path(f"/proc/{os.getppid()}/environ").read_bytes,
        "start a program": lambda: subprocess.run(["/bin/true"], check=True),
        "connect": lambda: socket.create_connection(("127.0.0.1", int(port)), 5).close(),
        "signal the server": lambda: os.kill(os.getppid(), signal.SIGCONT),
        "see the token": lambda: os.environ["NGF_TOKEN"],
    }
    return {name: _tried(attempt) for name, attempt in attempts.items()} | {
        "threads": str(THREADS)}


def _tried(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except (OSError, KeyError) as error:
        return type(error).__name__
    return "done"
