"""Every file of a finished run, cut to several lengths and with single bits flipped, in turn.

What is read of the damaged run must be what was read before, or a sentence that names the file.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from ngf_core.runs import Run, RunStore
from tests.campaigns.counts import Counts
from tests.campaigns.pages import pages_of, traces
from tests.campaigns.readings import DATA, SENTENCE, TRACE, Answer, everything
from tests.campaigns.smallest import KINDS, finished
from tests.campaigns.starting import forking

# Of no use to a reading: what the worker printed.
UNREAD = ("log.txt",)


@dataclass(frozen=True)
class Damage:
    """One change of a file's bytes: `what` in words, and the bytes that then stand there."""

    what: str
    content: bytes


@dataclass(frozen=True)
class Finding:
    """What one reading of a damaged run did wrong."""

    kind: str
    file: str
    damage: str
    reading: str
    answer: Answer


def damages(content: bytes, random: Random, flips: int = 5) -> Iterator[Damage]:
    """Cuts to nothing, one byte, half and all but one byte; bits flipped in the first bytes, the
    last and `flips` others."""
    size = len(content)
    for length in sorted({0, 1, size // 2, size - 1} & set(range(size))):
        yield Damage(f"cut to {length} of {size} bytes", content[:length])
    places = {0, min(8, size - 1), size - 1} | {random.randrange(size) for _ in range(flips)}
    for place in sorted(places) if size else ():
        bit = random.randrange(8)
        changed = bytes([content[place] ^ 1 << bit])
        yield Damage(f"bit {bit} of byte {place} flipped",
                     content[:place] + changed + content[place + 1:])


@contextmanager
def damaged(path: Path, damage: Damage) -> Iterator[None]:
    """The file with other bytes; afterwards it is as before."""
    content = path.read_bytes()
    path.write_bytes(damage.content)
    try:
        yield
    finally:
        path.write_bytes(content)


def wrong(file: str, before: Mapping[str, Answer], after: Mapping[str, Answer]
          ) -> Iterator[tuple[str, Answer]]:
    """The readings that gave neither the data of before nor a sentence about the damaged file."""
    for reading, answer in after.items():
        listed = reading == "ngf runs" and answer.kind == SENTENCE  # a table says: corrupt
        told = answer.kind == SENTENCE and (file in answer.said or listed)
        same = answer.kind == DATA and answer == before.get(reading)
        if not (told or same):
            yield reading, answer


def files_of(run: Run) -> list[Path]:
    """All that a run wrote and somebody reads."""
    return sorted(path for path in run.path.iterdir() if path.name not in UNREAD)


def searched(run: Run, random: Random, flips: int = 5) -> tuple[int, int, list[Finding]]:
    """How many damages were done to the run's files, how many readings that makes, and what went
    wrong in them."""
    before = everything(run)
    entries = tuple(run.manifest)
    done, read, findings = 0, 0, []
    for path in files_of(run):
        for damage in damages(path.read_bytes(), random, flips):
            with damaged(path, damage):
                after = everything(run, entries)
            done, read = done + 1, read + len(after)
            findings += [Finding(str(run.kind), path.name, damage.what, reading, answer)
                         for reading, answer in wrong(path.name, before, after)]
    return done, read, findings


def damage_files(folder: Path, random: Random, kinds: tuple[str, ...] = KINDS, flips: int = 9
                 ) -> Counts:
    """Damage each file of a finished run of each kind in turn, and open the run's pages with each
    file damaged once."""
    counts = Counts("Files damaged")
    store = RunStore(folder / "runs", folder / "shipped")
    with forking() as fork:
        runs = finished(store, fork, kinds)
    for kind in kinds:
        run = runs[kind]
        done, read, findings = searched(run, random, flips)
        counts.done["files damaged"] += len(files_of(run))
        counts.done["damages"] += done
        counts.done["readings of a damaged run"] += read
        for finding in findings:
            fault = ("runs unreadable without explanation" if finding.answer.kind == TRACE
                     else "wrong data read silently")
            counts.found(fault, 1, f"{finding.reading} of a {kind} run, {finding.file} "
                                   f"{finding.damage}: {finding.answer.said[:200]}")
        for path in files_of(run):
            damage = random.choice(list(damages(path.read_bytes(), random, flips=1)))
            for page in pages_of(run):
                with damaged(path, damage):
                    wrong_there = traces(run, page)
                counts.done["pages opened"] += 1
                counts.found("pages with a stack trace", int(bool(wrong_there)),
                             f"{page} of a {kind} run, {path.name} {damage.what}: {wrong_there}")
    return counts
