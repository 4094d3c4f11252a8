"""Thirty students at one server: how long they wait, what it costs, whether they see each other.

    python -m benchmarks.classroom                               # two minutes
    python -m benchmarks.classroom --students 3 --jobs 0 --seconds 15 --out /tmp/classroom

The server is started as `make serve` does, on a free port, with a temporary store beside the
shipped runs. Each student is a WebSocket session of its own that speaks Streamlit's protocol
(`browser.py`) and does what `lesson.py` says: all open one race, ten start trainings, some of
them the same. An interaction lasts from sending it to the server's word that the script has
finished; the first opening of the race, while the class arrives, is listed apart. Students and
server share the machine; drawing in a browser and the fetching of pictures are left out.

Nobody may be sent what another chose: each student looks for a run by a word of its own, and
all messages of all sessions are searched for the words of others; the axis of the race is part of
the address, which must be the student's own.

Writes benchmarks/results/classroom.json and classroom.md.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.classroom.lesson import Interaction, Lesson, Register, hold
from benchmarks.environment import environment
from ngf_core.config import config_sha
from ngf_core.runs import Run
from tests.browser.server import Server, serving

RESULTS = Path(__file__).parents[1] / "results"
MEGABYTE = 1e6
MOST_SECONDS, MOST_MEMORY = 1.0, 1500.0  # the aims: p95 beside a job, server's resident MB
FIRST = "open the race, first"


@dataclass
class Meter:
    """Every half second: memory of the server and of its workers in MB, whether a job computes."""

    times: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)
    workers: list[float] = field(default_factory=list)
    working: list[bool] = field(default_factory=list)
    server_cpu: float = 0.0

    def beside_job(self, interaction: Interaction) -> bool:
        """Whether a job computed at some time of the interaction."""
        end = interaction.began + interaction.seconds
        return any(working for at, working in zip(self.times, self.working, strict=True)
                   if interaction.began - 0.5 <= at <= end + 0.5)


@contextmanager
def measuring(server: Server) -> Iterator[Meter]:
    """A meter of the server, read by a thread while the context lasts."""
    meter, process, stop = Meter(), psutil.Process(server.pid), threading.Event()
    began = time.monotonic()

    def read() -> None:
        while not stop.wait(0.5):
            workers = [_resident(child) for child in process.children(recursive=True)]
            meter.times.append(time.monotonic() - began)
            meter.server.append(_resident(process))
            meter.workers.append(sum(workers))
            meter.working.append(any(run.state == "running" for run in own_runs(server)))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield meter
    finally:
        stop.set()
        reader.join()
        meter.server_cpu = sum(process.cpu_times()[:2])


def _resident(process: psutil.Process) -> float:
    try:
        return process.memory_info().rss / MEGABYTE
    except psutil.NoSuchProcess:
        return 0.0


def own_runs(server: Server) -> list[Run]:
    """The runs that were started here."""
    return [run for run in server.store.list() if not run.shipped]


def summary(seconds: Sequence[float]) -> dict[str, Any]:
    """Count, median, 95th percentile and largest; the percentile is the smallest value with 95 %
    of the values at or below it. None where there is no value."""
    ordered = sorted(seconds)
    if not ordered:
        return {"n": 0, "p50": None, "p95": None, "max": None}
    return {"n": len(ordered), "p50": round(statistics.median(ordered), 3),
            "p95": round(ordered[-(-95 * len(ordered) // 100) - 1], 3),
            "max": round(ordered[-1], 3)}


def report(lesson: Lesson, register: Register, meter: Meter, runs: Sequence[Run]
           ) -> dict[str, Any]:
    """The result of a lesson."""
    later = [one for one in register.interactions if one.what != FIRST]
    shas = [config_sha(run.config) for run in runs]
    deeds = {one.what for one in register.interactions}
    return {
        "lesson": asdict(lesson),
        "first": summary([one.seconds for one in register.interactions if one.what == FIRST]),
        "later": summary([one.seconds for one in later]),
        "beside_job": summary([one.seconds for one in later if meter.beside_job(one)]),
        "polls": summary(register.polls),
        "slowest": [{"what": one.what, "began": round(one.began, 1),
                     "seconds": round(one.seconds, 2)}
                    for one in sorted(later, key=lambda one: -one.seconds)[:10]],
        "by_deed": {what: summary([one.seconds for one in register.interactions
                                   if one.what == what]) for what in sorted(deeds)},
        "share_of_time_beside_job": round(statistics.mean(meter.working), 2),
        "server_cpu_seconds": round(meter.server_cpu, 1),
        "server_mb": round(max(meter.server)), "workers_mb": round(max(meter.workers)),
        "received_mb": round(register.received / MEGABYTE, 1),
        "jobs": {"asked": sum(one.what == "start a job" for one in register.interactions),
                 "distinct": min(lesson.jobs, lesson.distinct), "runs": len(runs),
                 "twins": len(shas) - len(set(shas)),
                 "askers": sum(len(run.manifest.get("askers") or ()) for run in runs),
                 "done": sum(run.state == "done" for run in runs)},
        "cut_short": register.cut,
        "own_words_seen": len(register.words_seen),
        "strange": register.strange, "errors": register.errors,
    }


def markdown(result: dict[str, Any]) -> str:
    """The result as tables: the aims, then every kind of interaction."""
    lesson, jobs, beside = result["lesson"], result["jobs"], result["beside_job"]
    p95 = "not measured" if beside["p95"] is None else f"{beside['p95']:.2f} s"
    rows = [
        ("95 % of interactions while a job runs", f"under {MOST_SECONDS:g} s",
         f"{p95}, n = {beside['n']}"),
        ("memory of the server at its peak", f"under {MOST_MEMORY:,.0f} MB",
         f"{result['server_mb']:,} MB"),
        ("runs for identical requests", "one", f"{jobs['runs']} runs for {jobs['asked']} requests, "
         f"{jobs['distinct']} of them distinct; {jobs['twins']} twins"),
        ("state of another in a session's messages", "never",
         f"{len(result['strange'])} times in {result['received_mb']:,} MB; "
         f"{result['own_words_seen']} students were told their own word"),
        ("clicks whose end a poll made one stopped early", "none",
         str(result["cut_short"])),
        ("errors", "none", str(len(result["errors"])))]
    load = result.get("load", ["?", "?"])
    lines = [f"{lesson['students']} students, {lesson['seconds']:g} s, one interaction each "
             f"{lesson['think'][0]:g} to {lesson['think'][1]:g} s; a job ran "
             f"{100 * result['share_of_time_beside_job']:.0f} % of the time. Load of the machine "
             f"before: {load[0]}, at the end: {load[1]}.", "",
             "| what | aim | measured |", "|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += ["", "| interaction | n | p50, s | p95, s | largest, s |", "|---|---|---|---|---|"]
    named = {"all but the first opening": result["later"]} | result["by_deed"] | {
        "a part draws itself again": result["polls"]}
    lines += [f"| {what} | {row['n']} | {_cell(row['p50'])} | {_cell(row['p95'])} | "
              f"{_cell(row['max'])} |" for what, row in named.items()]
    return "\n".join(lines) + "\n"


def _cell(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.2f}"


def measure(lesson: Lesson, folder: Path) -> dict[str, Any]:
    """Hold a lesson at a new server over `folder`/runs."""
    load = [round(os.getloadavg()[0], 2)]
    with serving(folder, NGF_SHARED="1") as server:
        with measuring(server) as meter:
            register = asyncio.run(hold(server.url, lesson))
        load.append(round(os.getloadavg()[0], 2))
        result = report(lesson, register, meter, own_runs(server))
        result["errors"] += [server.traces()] if server.traces() else []
    return result | {"load": load}


def main() -> None:
    """Hold the lesson, write the result, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("students", "jobs", "seconds", "seed"):
        default = getattr(Lesson, name)
        parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = vars(parser.parse_args())
    out = arguments.pop("out")
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Lesson(**arguments), Path(folder))
    out.mkdir(parents=True, exist_ok=True)
    result["environment"] = environment()
    (out / "classroom.json").write_text(json.dumps(result, indent=1) + "\n")
    (out / "classroom.md").write_text(markdown(result))
    print(markdown(result), *result["errors"][:5], *result["strange"][:5], sep="\n")


if __name__ == "__main__":
    main()
