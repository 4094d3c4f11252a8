"""What a figure was drawn from: told with it, and in every file that is taken from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ngf_core.config import AuditConfig, LandscapeConfig, flat
from ngf_core.config.command import command_again
from ngf_core.evaluate.rates import Rate
from ngf_core.runs import Run

_ELSEWHERE = ("source", "seed", "methods")  # settings that stand in lines of their own


@dataclass(frozen=True)
class Origin:
    """Lines by their names (Run, Settings, Seed, n), and the command that computes it again."""

    facts: Mapping[str, str]
    command: str

    def lines(self) -> list[str]:
        """One "Name: value" per fact, the command last; what is not known is left out."""
        told = _known({**self.facts, "Command": self.command})
        return [f"{name}: {value}" for name, value in told.items()]

    def on(self, n: str) -> "Origin":
        """The same for a figure that rests on other images; "" where nobody knows on how many."""
        return Origin(_known({**self.facts, "n": n}), self.command)

    def csv(self, table: pd.DataFrame) -> bytes:
        """The table below these lines, each after "# ": pandas.read_csv(file, comment="#")."""
        head = "".join(f"# {' '.join(line.split())}\n" for line in self.lines())
        return (head + table.to_csv(index=False)).encode()


def of_run(run: Run) -> Origin:
    """A figure of one run."""
    facts = {"Run": run.id, "Seed": str(run.config.seed), "n": _counted(run),
             "Settings": _settings([run])}
    return Origin(_known(facts), command_again(run.config, run.manifest))


def of_runs(runs: Sequence[Run], command: str) -> Origin:
    """A figure of several runs that `command` draws, with the settings that all share."""
    if len(runs) == 1:
        return Origin(of_run(runs[0]).facts, command)
    seeds = sorted({run.config.seed for run in runs})
    counts = {_counted(run) for run in runs}
    each = f", {counts.pop()} each" if len(counts) == 1 and "" not in counts else ""
    return Origin(_known({
        "Runs": ", ".join(run.id for run in runs), "Seed": ", ".join(map(str, seeds)),
        "n": f"{len(runs)} runs{each}", "Settings": _settings(runs)}), command)


def of_table(table: pd.DataFrame, command: str) -> Origin:
    """A figure of the benchmark's table, one row per model and measurement: its seeds, and of how
    many backdoored or benign models it is."""
    facts = {}
    if "seed" in table:
        facts["Seed"] = ", ".join(map(str, sorted(table["seed"].unique())))
    if names := [name for name in ("dataset", "arch", "attack", "seed") if name in table]:
        count = len(table[names].drop_duplicates())
        facts["n"] = f"{count} backdoored or benign model{'s' * (count != 1)}"
    return Origin(facts, command)


def _known(facts: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in facts.items() if value}


def _settings(runs: Sequence[Run]) -> str:
    """The settings of all these runs that are the same in each."""
    first, *others = (flat(run.config) for run in runs)
    shared = {name: value for name, value in first.items()
              if all(other.get(name) == value for other in others)}
    return ", ".join(f"{name} {_word(value)}" for name, value in shared.items()
                     if name not in _ELSEWHERE and value not in ("", ()))


def _counted(run: Run) -> str:
    """On how many images most figures of a run rest; "" where it has measured none yet."""
    results = run.results
    if isinstance(run.config, AuditConfig):
        results = results.get("conditions", {})
    if images := results.get("samples"):
        kinds = "held-out images per loss" if isinstance(run.config, LandscapeConfig) \
            else "held-out clean images"
        return f"{images:,} {kinds}"
    entry: Any = results.get("before", results.get(run.kind or ""))
    if not isinstance(entry, dict):
        return ""
    counts = {what: Rate.from_json(entry.get(name))
              for what, name in (("clean", "acc"), ("triggered", "asr"))}
    told = " and ".join(f"{rate.n:,} {what}" for what, rate in counts.items()
                        if rate is not None and rate.n)
    return f"{told} test images" if told else ""


def _word(value: object) -> str:
    return " + ".join(map(str, value)) if isinstance(value, tuple) else str(value)
