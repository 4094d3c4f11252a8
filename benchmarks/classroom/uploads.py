"""Thirty students bring a model each at one moment: is every file read, and what it costs.

    python -m benchmarks.classroom.uploads                       # more than seven minutes
    python -m benchmarks.classroom.uploads --students 3 --out /tmp/classroom

Each sends a PreAct-ResNet-18 of width 16 (2.8 MB) with a number of classes of its own, so that no
two files are alike and each page must tell its own number. The files are read one at a time, in a
process of their own; meanwhile one more student steps through a race. The server is started as
`make serve` does, on a free port, with a temporary store.

Writes benchmarks/results/uploads.json and uploads.md.
"""

import argparse
import asyncio
import io
import json
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks.classroom.__main__ import MEGABYTE, RESULTS, measuring, summary
from benchmarks.classroom.browser import browsing
from benchmarks.classroom.lesson import RACE
from benchmarks.environment import environment
from ngf_core.models.build import build_model
from tests.browser.server import serving

FIRST = 10  # classes of the first student's model; each further one has one more
CLASSES = re.compile(rb"(\d+) classes, 3 channels")


@dataclass
class Register:
    """Seconds until each student's page told what its file holds, and the numbers of classes that
    it told; seconds of the interactions of the one who brings nothing."""

    seconds: dict[int, float] = field(default_factory=dict)
    told: dict[int, set[int]] = field(default_factory=dict)
    meanwhile: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def model_file(classes: int) -> bytes:
    """A state dict of the default network as torch.save writes it."""
    content = io.BytesIO()
    torch.save(build_model("preact_resnet18_w16", (3, 32, 32), classes).state_dict(), content)
    return content.getvalue()


async def bring(url: str, files: Sequence[bytes]) -> Register:
    """Let one student per file bring it, all at one moment."""
    register, all_here = Register(), asyncio.Barrier(len(files))

    async def student(number: int) -> None:
        heard = register.told[number] = set()
        try:
            async with browsing(url, lambda message: heard.update(
                    int(found[1]) for found in CLASSES.finditer(message))) as browser:
                await browser.open("import_model")
                await all_here.wait()
                register.seconds[number] = await browser.upload(
                    "model_file", f"model-{number}.pt", files[number])
                register.errors += browser.errors
        except Exception as error:  # one student's trouble must not end what the others do
            register.errors.append(f"student {number}: {type(error).__name__} {error}")

    async def another(work: asyncio.Future[Any]) -> None:
        async with browsing(url) as browser:
            await browser.open("race", f"run={RACE}")
            while not work.done():
                await asyncio.sleep(4)
                register.meanwhile.append(await browser.set(f"race_{RACE}_back",
                                                            trigger_value=True))

    work = asyncio.gather(*(student(number) for number in range(len(files))))
    await asyncio.gather(work, another(work))
    return register


def measure(students: int, folder: Path) -> dict[str, Any]:
    """Let so many students bring a model each to a new server over `folder`/runs."""
    files = [model_file(FIRST + number) for number in range(students)]
    with serving(folder, NGF_SHARED="1") as server, measuring(server) as meter:
        began = time.monotonic()
        register = asyncio.run(bring(server.url, files))
        seconds = time.monotonic() - began
        traces = server.traces()
    return {
        "students": students, "megabytes_each": round(len(files[0]) / MEGABYTE, 1),
        "all_seconds": round(seconds), "read": summary(list(register.seconds.values())),
        "meanwhile": summary(register.meanwhile), "server_mb": round(max(meter.server)),
        "readers_mb": round(max(meter.workers)),
        "told_own": sum(register.told[number] == {FIRST + number} for number in range(students)),
        "told_another": sum(bool(register.told[number] - {FIRST + number})
                            for number in range(students)),
        "errors": register.errors + ([traces] if traces else []),
    }


def markdown(result: dict[str, Any]) -> str:
    """The result as a table."""
    read, meanwhile = result["read"], result["meanwhile"]
    rows = [
        ("files read and told of on their own page", f"{result['told_own']} of "
         f"{result['students']}"),
        ("pages that told of another's file", str(result["told_another"])),
        ("wait for one's own file: median, largest", f"{read['p50']:.0f} s, {read['max']:.0f} s"),
        ("a step in a race meanwhile: median, 95 %, largest", f"{meanwhile['p50']:.2f} s, "
         f"{meanwhile['p95']:.2f} s, {meanwhile['max']:.2f} s, n = {meanwhile['n']}"),
        ("memory of the server, of the reading processes, at most",
         f"{result['server_mb']:,} MB, {result['readers_mb']:,} MB"),
        ("errors", str(len(result["errors"])))]
    lines = [f"{result['students']} students bring a file of {result['megabytes_each']} MB each at "
             "one moment.", "", "| what | measured |", "|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def main() -> None:
    """Measure, write the result, print the table."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=30)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(arguments.students, Path(folder))
    arguments.out.mkdir(parents=True, exist_ok=True)
    result["environment"] = environment()
    (arguments.out / "uploads.json").write_text(json.dumps(result, indent=1) + "\n")
    (arguments.out / "uploads.md").write_text(markdown(result))
    print(markdown(result), *result["errors"][:5], sep="\n")


if __name__ == "__main__":
    main()
