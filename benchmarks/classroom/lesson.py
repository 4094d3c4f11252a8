"""What the students of a class do: open one race, look around, start small jobs.

Everything a student does is drawn from a generator seeded by lesson and student.
"""

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from benchmarks.classroom.browser import Browser, browsing

RACE = "signs-badnets-s0-race"
PAGES = ("", "attacks", "landscape", "spectrum", "layers", "configure", "leaderboard", "ablation",
         "claim", "runs")
PATIENCE = 60.0  # seconds after which an interaction has failed
WORD = re.compile(rb"word-(\d+)-[0-9a-f]{8}")


@dataclass(frozen=True)
class Lesson:
    """How many students come within `arrive` seconds and stay for `seconds`; the first `jobs` of
    them start a training each, at `distinct` seeds. Between two interactions a student thinks for
    a time drawn evenly from `think`."""

    students: int = 30
    jobs: int = 10
    distinct: int = 7
    seconds: float = 90.0
    arrive: float = 10.0
    think: tuple[float, float] = (4.0, 12.0)
    seed: int = 0


@dataclass(frozen=True)
class Interaction:
    """What one student did, when (seconds since the lesson began), and until it was drawn."""

    student: int
    what: str
    began: float
    seconds: float


@dataclass
class Register:
    """What happened in a lesson."""

    interactions: list[Interaction] = field(default_factory=list)
    polls: list[float] = field(default_factory=list)
    received: int = 0
    cut: int = 0
    words_seen: set[int] = field(default_factory=set)
    strange: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)


async def hold(url: str, lesson: Lesson) -> Register:
    """Hold the lesson at the server `url` and return its register."""
    register = Register()
    students = [_Student(number, lesson, register) for number in range(lesson.students)]
    await asyncio.gather(*(student.attend(url) for student in students))
    return register


class _Student:
    def __init__(self, number: int, lesson: Lesson, register: Register) -> None:
        self.number, self.lesson, self.register = number, lesson, register
        self.random = random.Random(f"{lesson.seed}-{number}")
        self.word = f"word-{number}-{self.random.getrandbits(32):08x}"
        self.against = "step"
        self.job_at = (lesson.arrive + self.random.uniform(0, 0.3) * lesson.seconds
                       if number < lesson.jobs else float("inf"))

    async def attend(self, url: str) -> None:
        """Come, open the race, interact until the lesson ends, leave."""
        await asyncio.sleep(self.random.uniform(0, self.lesson.arrive))
        try:
            async with browsing(url, self.hear) as browser:
                await self.all_of_it(browser)
                self.register.polls += browser.polls
                self.register.received += browser.received
                self.register.cut += browser.cut
                self.register.errors += browser.errors
        except Exception as error:  # one student's trouble must not end the lesson of the others
            self.register.errors.append(f"student {self.number}: {type(error).__name__} {error}")

    def hear(self, message: bytes) -> None:
        """Note the words in a message: one's own shows that words come back at all."""
        for found in WORD.finditer(message):
            if int(found[1]) == self.number:
                self.register.words_seen.add(self.number)
            else:
                self.register.strange.append(f"student {self.number} was sent {found[0].decode()}")

    async def all_of_it(self, browser: Browser) -> None:
        """Open the race, then one thing after the other, at least one."""
        async with self.doing("open the race, first"):
            await browser.open("race", f"run={RACE}")
        passed = 0.0
        while passed < self.lesson.seconds:
            await asyncio.sleep(self.random.uniform(*self.lesson.think))
            passed = time.monotonic() - self.register.began
            if passed > self.job_at:
                self.job_at = float("inf")
                await self.start_job(browser)
            else:
                await self.one_thing(browser)

    async def one_thing(self, browser: Browser) -> None:
        """Mostly at the race, now and then elsewhere."""
        deed = self.random.choices([self.change_axis, self.step_back, self.rerun, self.other_page,
                                    self.search], [4, 4, 1, 4, 2])[0]
        if deed in (self.change_axis, self.step_back) and browser.page != "race":
            async with self.doing("open the race, again"):
                await browser.open("race", f"run={RACE}")
            self.against = "step"
        else:
            await deed(browser)

    async def change_axis(self, browser: Browser) -> None:
        """The other of the two axes; the address must then be this student's."""
        self.against = {"step": "seconds", "seconds": "step"}[self.against]
        async with self.doing("race: change the axis"):
            await browser.set("x_choice", string_array_value=[self.against])
        if ("x=seconds" in browser.query) != (self.against == "seconds"):
            self.register.strange.append(f"student {self.number} chose {self.against} and has "
                                         f"the address {browser.query}")

    async def step_back(self, browser: Browser) -> None:
        """One evaluation back in the replay."""
        async with self.doing("race: one step back"):
            await browser.set(f"race_{RACE}_back", trigger_value=True)

    async def rerun(self, browser: Browser) -> None:
        """The same page once more."""
        async with self.doing("the same page again"):
            await browser.again()

    async def other_page(self, browser: Browser) -> None:
        """Any other page."""
        page = self.random.choice(PAGES)
        async with self.doing(f"open {page or 'start'}"):
            await browser.open(page)

    async def search(self, browser: Browser) -> None:
        """Look for a run by a word that nobody else knows; the page says that there is none."""
        async with self.doing("runs: look for a word"):
            await browser.open("runs", f"run={self.word}")

    async def start_job(self, browser: Browser) -> None:
        """Train the smallest model; several students ask for the same seed. Who finds it finished
        looks at that run."""
        seed = self.number % self.lesson.distinct
        async with self.doing("open configure"):
            await browser.open("configure", f"budget=own&epochs=2&seed={seed}")
        async with self.doing("start a job"):
            await browser.set("train_reuse" if browser.has("train_reuse") else "train",
                              trigger_value=True)

    @asynccontextmanager
    async def doing(self, what: str) -> AsyncIterator[None]:
        """Time what happens inside; one that takes too long ends this student's lesson."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE):
                yield
        finally:
            self.register.interactions.append(Interaction(
                self.number, what, began - self.register.began, time.monotonic() - began))
