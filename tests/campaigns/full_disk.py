"""Runs on a small mounted file system that becomes full, each time at another write."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ngf_core.config import Config
from ngf_core.errors import NGFError
from ngf_core.runs import DiskFull, RunStore
from tests.campaigns.counts import Counts
from tests.campaigns.readings import DATA, SENTENCE, everything
from tests.campaigns.smallest import KINDS, configs, finished
from tests.campaigns.starting import Start, forking
from tests.support.waiting import until

SIZE = 4_000_000  # bytes of the file system
FILLER = "filler"
# Shares of a run's own bytes that are still free when it begins: from nothing to almost enough.
SHARES = (0.0, 0.02, 0.1, 0.3, 0.6, 0.9)
RESERVE = 64 * 1024  # what a run sets aside for its last words


class CannotMount(NGFError):
    """No file system can be mounted here."""


@contextmanager
def mounted(folder: Path, size: int = SIZE) -> Iterator[Path]:
    """A file system of `size` bytes at `folder`, in memory. Raises CannotMount."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
                          capture_output=True, text=True)
    if done.returncode:
        raise CannotMount(f"mount says: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def leave(folder: Path, free: int) -> None:
    """Fill the file system at `folder` until about `free` bytes are left."""
    filler = folder / FILLER
    filler.unlink(missing_ok=True)
    with contextlib.suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(b"\0" * 4096)
            file.flush()
    with filler.open("r+b") as file:
        file.truncate(max(0, filler.stat().st_size - free))


def fill_disks(folder: Path, kinds: tuple[str, ...] = KINDS, shares: tuple[float, ...] = SHARES
               ) -> Counts:
    """Start a run of each kind with less space than it needs, and look at what is left of it."""
    counts = Counts("Disk full")
    try:
        with mounted(folder / "disk") as disk, forking() as fork:
            store = RunStore(disk / "runs", folder / "shipped")
            sizes = {kind: run.size() for kind, run in finished(store, fork, kinds).items()}
            trained = store.latest("train")
            for kind in kinds:
                config = configs(trained, store)[kind]
                for share in shares:
                    _one(config, store, disk, int(share * (sizes[kind] + RESERVE)), fork, counts)
    except CannotMount as error:
        counts.not_run = f"not run, because {error}"
    return counts


def _one(config: Config, store: RunStore, disk: Path, free: int, start: Start, counts: Counts
         ) -> None:
    leave(disk, free)
    counts.done["runs started with too little space"] += 1
    run = None
    try:
        run = store.create(config)
        start(run)
    except DiskFull:
        counts.done["refused at once, with a sentence"] += 1
        (disk / FILLER).unlink()
        if run is not None:
            shutil.rmtree(run.path)  # as jobs.start does
        return
    until(lambda: not run.live, seconds=120)
    state, message = run.status()
    counts.done[f"read as {state}"] += 1
    explained = state == "done" or "disk is full" in message
    counts.found("runs unreadable without explanation", int(not explained),
                 f"{config.kind} with {free} bytes free is {state}: {message}")
    answers = everything(run)
    bare = [f"{way}: {answer.said}" for way, answer in answers.items()
            if answer.kind not in (DATA, SENTENCE)]
    counts.done["readings while it was full"] += len(answers)
    counts.found("runs unreadable without explanation", len(bare), f"{run.id}: {bare}")
    (disk / FILLER).unlink()
    run.delete()
