"""Running one contest: one process per peer, the repeats alternating between them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from types import TracebackType

from benchmarks.environment import environment
from benchmarks.side_by_side.contest import Contest
from benchmarks.side_by_side.record import Figures, Record

Say = Callable[[str], None]


class Peer:
    """A running child process that measures on request."""

    def __init__(self, contest: str, name: str, model: str, samples: int, threads: int,
                 core: int | None, quick: bool) -> None:
        command = [sys.executable, "-m", "benchmarks.side_by_side.child", contest, name, model,
                   str(samples), "--threads", str(threads)]
        command += [] if core is None else ["--core", str(core)]
        command += ["--quick"] if quick else []
        self._name = name
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"OMP_NUM_THREADS": str(threads)})

    def __enter__(self) -> "Peer":
        self._answer()
        return self

    def measure(self, seed: int, truth: Figures) -> Figures:
        """The figures of one repeat."""
        print(json.dumps({"seed": seed, "truth": truth}), file=self._process.stdin, flush=True)
        return json.loads(self._answer())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if kind is not None:
            self._process.kill()
        self._process.communicate()

    def _answer(self) -> str:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The peer {self._name!r} stopped without an answer; "
                               "its own message is above.")
        return line


def hold(name: str, contest: Contest, model: str, samples: int, repeats: int, core: int | None,
         quick: bool, say: Say) -> Record:
    """Let every peer measure `repeats` times, alternating: peer A, peer B, ..., peer A, ...

    Entries of `truth` whose name begins with _ are for the peers, and too large to be stored.
    """
    started = time.perf_counter()
    settings = (model, samples, contest.threads, core, quick)
    truth: Figures = {}
    if contest.truth is not None:
        with Peer(name, "truth", *settings) as reference:
            truth = reference.measure(0, {})
        say(f"{name}, {model}: truth known after {time.perf_counter() - started:.0f} s")
    runs: dict[str, list[Figures]] = {peer: [] for peer in contest.peers}
    with ExitStack() as stack:
        peers = {peer: stack.enter_context(Peer(name, peer, *settings)) for peer in contest.peers}
        for seed in range(repeats):
            for peer, process in peers.items():
                runs[peer].append(process.measure(seed, truth))
            say(f"{name}, {model}: repeat {seed + 1} of {repeats} after "
                f"{time.perf_counter() - started:.0f} s")
    kept = {key: value for key, value in truth.items() if not key.startswith("_")}
    return Record(name, model, samples, contest.threads, runs, kept,
                  round(time.perf_counter() - started, 1),
                  datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), environment())
