"""Thirty students follow the lesson of one presenter: how long they wait, whether votes get lost.

    python -m benchmarks.classroom.following                          # about two minutes
    python -m benchmarks.classroom.following --students 3 --scenes 2 --out /tmp/classroom

The server is started as `make serve` does, on a free port, with a temporary store. A presenter goes
through the scenes. At each, every student answers at a moment of its own; then the presenter shows
the answer and goes on, and each page looks every two seconds whether that has happened. "Goes
along" is the time from the presenter's press until a student was sent the new scene, that wait
included.
Before that, each student goes through a scene by itself: "next" is one such press.

Writes benchmarks/results/following.json and following.md.
"""

import argparse
import asyncio
import json
import os
import random
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.read.lesson.scene import Scene, scenes
from benchmarks.classroom.__main__ import RESULTS, measuring, summary
from benchmarks.classroom.browser import Browser, browsing
from benchmarks.environment import environment
from tests.browser.server import serving

SECONDS = 8.0  # that a class has for an answer
PATIENCE = 60.0
EVERY, SILENCE = 2.0, 8.0  # seconds, as in heartbeat.js


@dataclass
class Register:
    """Seconds of presses and votes, and of going along; votes that were counted by scene; how often
    the server no longer asked a page."""

    presses: list[float] = field(default_factory=list)
    votes: list[float] = field(default_factory=list)
    along: list[float] = field(default_factory=list)
    counted: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    errors: list[str] = field(default_factory=list)


class _Student:
    """A browser that follows a class and notes when it was sent which scene's title."""

    def __init__(self, number: int, titles: Sequence[str], register: Register) -> None:
        self.random, self.register = random.Random(number), register
        self.titles = {title.encode(): title for title in titles}
        self.sent: dict[str, float] = {}
        self.one_at_a_time = asyncio.Lock()

    def hear(self, message: bytes) -> None:
        for words, title in self.titles.items():
            if words in message:
                self.sent[title] = time.perf_counter()

    async def watch(self, browser: Browser) -> None:
        """Press what the page's heartbeat.js presses where the server no longer asks."""
        silent = 0
        while True:
            await asyncio.sleep(EVERY)
            silent = 0 if browser.has_timer() else silent + 1
            if silent * EVERY >= SILENCE:
                silent = 0
                self.register.lost += 1
                async with self.one_at_a_time:
                    if browser.has("lesson_look"):
                        await browser.set("lesson_look", trigger_value=True)
                    else:
                        await browser.again()

    async def vote(self, browser: Browser, scene: Scene, within: float) -> None:
        await asyncio.sleep(self.random.uniform(0, within))
        key = f"guess_{scene.name}"
        async with self.one_at_a_time:
            chosen = self.random.choice(browser.find(key).options)
            self.register.votes.append(await browser.set(key, string_value=chosen))


async def follow(url: str, students: int, shown: Sequence[Scene], within: float) -> Register:
    """Let a class of so many students go through these scenes, with `within` seconds for each."""
    register = Register()
    async with browsing(url) as hall:
        await hall.open("lesson", f"present=1&scene={shown[0].name}")
        code = hall.query.partition("class=")[2].partition("&")[0]
        class_ = [_Student(n, [f"{one.title}" for one in shown], register) for n in range(students)]

        async def attend(student: _Student, here: asyncio.Barrier) -> None:
            async with browsing(url, student.hear) as browser:
                await browser.open("lesson", f"scene={shown[0].name}")
                for _ in range(2):  # by oneself: the answer, and the next scene
                    await asyncio.sleep(student.random.uniform(0, within))
                    register.presses.append(await browser.set("lesson_next", trigger_value=True))
                await browser.open("lesson", f"class={code}")
                watching = asyncio.create_task(student.watch(browser))
                for scene in shown:
                    await here.wait()
                    await student.vote(browser, scene, within)
                    await here.wait()
                    await here.wait()
                watching.cancel()
                register.errors += browser.errors

        async def present(here: asyncio.Barrier) -> None:
            for number, scene in enumerate(shown):
                await here.wait()
                await here.wait()
                await hall.set("lesson_next", trigger_value=True)
                register.counted[scene.name] = await _counted(url, code, scene)
                if number + 1 < len(shown):
                    title, began = shown[number + 1].title, time.perf_counter()
                    await hall.set("lesson_next", trigger_value=True)
                    register.along += await _arrived(class_, title, began)
                await here.wait()
            register.errors += hall.errors

        here = asyncio.Barrier(students + 1)
        async with asyncio.TaskGroup() as group:
            group.create_task(present(here))
            for student in class_:
                group.create_task(attend(student, here))
    return register


async def _arrived(class_: Sequence[_Student], title: str, began: float) -> list[float]:
    """The seconds from `began` until each student was sent a scene's title."""
    while not all(student.sent.get(title, 0) > began for student in class_):
        if time.perf_counter() > began + PATIENCE:
            late = [n for n, student in enumerate(class_) if student.sent.get(title, 0) < began]
            raise TimeoutError(f"Students {late} were not sent {title!r}.")
        await asyncio.sleep(0.02)
    return [student.sent[title] - began for student in class_]


async def _counted(url: str, code: str, scene: Scene) -> int:
    """The votes of a scene, as the window of the speaker's notes tells them."""
    told: list[bytes] = []
    async with browsing(url, told.append) as notes:
        await notes.open("lesson", f"notes=1&class={code}&scene={scene.name}")
    text = b"".join(told).decode("utf-8", "ignore")
    found = re.search(r"\d+ of (\d+): ", text)
    return int(found[1]) if found else 0


def measure(students: int, count: int, within: float, folder: Path) -> dict[str, Any]:
    """Hold the first `count` scenes at a new server over `folder`/runs."""
    shown, load = scenes()[:count], [round(os.getloadavg()[0], 2)]
    with serving(folder, NGF_SHARED="1") as server, measuring(server) as meter:
        register = asyncio.run(follow(server.url, students, shown, within))
        traces = server.traces()
        load.append(round(os.getloadavg()[0], 2))
    return {
        "students": students, "load": load, "scenes": len(shown), "next": summary(register.presses),
        "votes": summary(register.votes), "along": summary(register.along),
        "counted": register.counted, "lost": register.lost, "server_mb": round(max(meter.server)),
        "server_cpu_seconds": round(meter.server_cpu, 1),
        "errors": register.errors + ([traces] if traces else [])}


def markdown(result: dict[str, Any]) -> str:
    """The result as a table."""
    def times(name: str) -> str:
        found = result[name]
        return "–" if not found["n"] else (f"{found['p50']:.2f} s, {found['p95']:.2f} s, "
                                           f"{found['max']:.2f} s, n = {found['n']}")

    whole = sum(count == result["students"] for count in result["counted"].values())
    rows = [("next scene: median, 95 %, largest", "95 % under 1 s", times("next")),
            ("an answer is taken", "95 % under 1 s", times("votes")),
            ("a student goes along, with the two seconds between two looks", "95 % under 4 s",
             times("along")),
            ("scenes of which all votes are counted", f"{result['scenes']}", str(whole)),
            ("pages that the server lost, and that came back by themselves", "–",
             str(result["lost"])),
            ("memory of the server", "under 1,500 MB", f"{result['server_mb']:,} MB"),
            ("errors", "none", str(len(result["errors"])))]
    load = result.get("load", ["?", "?"])
    lines = [f"{result['students']} students follow {result['scenes']} scenes. Load of the machine "
             f"before: {load[0]}, at the end: {load[1]}.", "",
             "| what | aim | measured |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def main() -> None:
    """Measure, write the result, print the table."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=30)
    parser.add_argument("--scenes", type=int, default=6)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(arguments.students, arguments.scenes, SECONDS, Path(folder))
    arguments.out.mkdir(parents=True, exist_ok=True)
    result["environment"] = environment()
    (arguments.out / "following.json").write_text(json.dumps(result, indent=1) + "\n")
    (arguments.out / "following.md").write_text(markdown(result))
    print(markdown(result), *result["errors"][:5], sep="\n")


if __name__ == "__main__":
    main()
