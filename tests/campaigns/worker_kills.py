"""Workers killed with SIGKILL at random moments of their lives."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from ngf_core.config import Config
from ngf_core.runs import Run, RunStore
from tests.campaigns.counts import Counts
from tests.campaigns.pages import pages_of, traces
from tests.campaigns.readings import DATA, SENTENCE, everything
from tests.campaigns.smallest import KINDS, finished
from tests.campaigns.starting import Start, by_command, forking
from tests.campaigns.watched import Seen, damaged_files, killed, lost_events, orphans
from tests.support.waiting import until

COMMAND, FORK = "started as the dashboard does", "forked with torch imported"


def kill_workers(folder: Path, kills: int, random: Random, deadline: float,
                 kinds: tuple[str, ...] = KINDS, by_command_every: int = 4, pages: bool = True
                 ) -> Counts:
    """Kill `kills` workers of runs of all `kinds` in turn and look at what is left.

    Of each kind every `by_command_every`th worker is started by command (none if 0), the others
    are forked. With `pages` the first killed run of each kind is opened there and started again.
    Ends early at `deadline` (time.monotonic).
    """
    counts = Counts("Workers killed")
    store = RunStore(folder / "runs", folder / "shipped")
    with forking() as fork:
        runs = finished(store, fork, kinds)
        lives = _Lives(store, {FORK: fork, COMMAND: by_command})
        number = 0
        while number < kills and time.monotonic() < deadline:
            kind = kinds[number % len(kinds)]
            turn = number // len(kinds)
            how = COMMAND if by_command_every and turn % by_command_every == 0 else FORK
            config = runs[kind].config
            with lives.killed(config, how, random) as (run, seen):
                if seen is None:
                    counts.done["ended before the kill"] += 1
                    continue
                number += 1
                counts.done[f"kills, {how}"] += 1
                first = counts.done[f"kills of {kind} runs"] == 0
                counts.done[f"kills of {kind} runs"] += 1
                judge(run, seen, counts)
                if first:
                    if not pages:
                        continue
                    open_pages(run, counts)
                    _start_again(config, runs[kind], fork, store, counts)
    return counts


def judge(run: Run, seen: Seen, counts: Counts) -> None:
    """Count what a killed run lost, whether it explains itself, and what its worker left."""
    counts.done["acknowledged events checked"] += len(seen.events)
    counts.done["acknowledged steps checked"] += sum(
        event["type"] in ("progress", "point") for event in seen.events)
    counts.found("acknowledged steps lost", lost_events(run, seen), run.id)
    bad = damaged_files(run, seen)
    counts.done["files written before the kill, read again"] += len(seen.files)
    counts.found("acknowledged steps lost", len(bad), f"{run.id}: {', '.join(bad)}")
    state, message = run.status()
    counts.done[f"read as {state}"] += 1
    answers = everything(run)
    counts.done["readings"] += len(answers)
    bare = [f"{way}: {answer.said}" for way, answer in answers.items()
            if answer.kind not in (DATA, SENTENCE)]
    explained = state == "done" or (state == "lost" and message.startswith("The worker died "))
    counts.found("runs unreadable without explanation", int(bool(bare) or not explained),
                 f"{run.id} is {state} ({message}) {bare}")
    left = orphans(run.manifest["pid"] or -1)
    counts.found("orphan processes", len(left), f"{run.id}: {left}")


def open_pages(run: Run, counts: Counts) -> None:
    """Open each page that shows the run, and count those with a stack trace."""
    for page in pages_of(run):
        counts.done["pages opened"] += 1
        wrong = traces(run, page)
        counts.found("pages with a stack trace", int(bool(wrong)), f"{page} of {run.id}: {wrong}")


def _start_again(config: Config, undisturbed: Run, start: Start, store: RunStore, counts: Counts
                 ) -> None:
    """The same settings once more: the killed run is in nobody's way, and the numbers are those of
    a run that nobody disturbed."""
    run = store.create(config)
    start(run)
    until(lambda: not run.live, seconds=120)
    rates = [_rates(one) for one in (run, undisturbed)]
    counts.done["started again and done"] += run.state == "done"
    counts.found("wrong data read silently", int(rates[0] != rates[1]), f"{run.id}: other rates")
    run.delete()


def _rates(run: Run) -> dict[str, object]:
    return {name: {rate: entry[rate] for rate in ("acc", "asr", "ra") if rate in entry}
            for name, entry in run.results.items() if isinstance(entry, dict)}


class _Lives:
    """Starts runs and kills them at a random moment of a life as long as the last ones were."""

    def __init__(self, store: RunStore, ways: dict[str, Start]) -> None:
        self._store, self._ways = store, ways
        self._seconds: dict[tuple[str, str], float] = {}

    @contextmanager
    def killed(self, config: Config, how: str, random: Random
               ) -> Iterator[tuple[Run, Seen | None]]:
        """A run whose worker is killed, and what was seen of it; it is deleted at the end."""
        key = (config.kind, how)
        life = self._seconds.get(key) or self._measured(config, how)
        run = self._store.create(config)
        self._ways[how](run)
        began = time.monotonic()
        seen = killed(run, random.uniform(0, life))
        if seen is None:
            until(lambda: not run.live, seconds=120)
            life = min(life, time.monotonic() - began)
        self._seconds[key] = life
        try:
            yield run, seen
        finally:
            run.delete()

    def _measured(self, config: Config, how: str) -> float:
        run = self._store.create(config)
        began = time.monotonic()
        self._ways[how](run)
        until(lambda: not run.live, seconds=120)
        run.delete()
        return time.monotonic() - began
