"""What a figure was drawn from: told with it, and in every file that is taken from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ngf_core.config import LandscapeConfig, PurifyConfig, SpectrumConfig, TrainConfig, flat
from ngf_core.config.command import command_line, on_threads
from ngf_core.evaluate.rates import Rate
from ngf_core.runs import Run

_ELSEWHERE = ("source", "seed", "methods")  # settings that stand in lines of their own


@dataclass(frozen=True)
class Origin:
    """Lines by their names (Run, Settings, Seed, n), and the command that computes it again."""

    facts: Mapping[str, str]
    command: str

    def lines(self) -> list[str]:
        """One "Name: value" per fact, the command last."""
        return [f"{name}: {value}" for name, value in (*self.facts.items(),
                                                       ("Command", self.command))]

    def csv(self, table: pd.DataFrame) -> bytes:
        """The table below these lines, each after "# ": pandas.read_csv(file, comment="#")."""
        head = "".join(f"# {' '.join(line.split())}\n" for line in self.lines())
        return (head + table.to_csv(index=False)).encode()


def of_run(run: Run) -> Origin:
    """A figure of one run."""
    config, manifest = run.config, run.manifest
    settings = {name: value for name, value in flat(config).items() if name not in _ELSEWHERE}
    facts = {"Run": run.id, "Seed": str(config.seed), "n": _counted(run),
             "Settings": ", ".join(f"{name} {_word(value)}" for name, value in settings.items()
                                   if value not in ("", ()))}
    return Origin({name: value for name, value in facts.items() if value},
                  on_threads(command_line(config), manifest.get("threads")))


def of_runs(runs: Sequence[Run], command: str) -> Origin:
    """A figure of several runs that `command` draws; their settings stand with each of them."""
    seeds = sorted({run.config.seed for run in runs})
    return Origin({"Runs": ", ".join(run.id for run in runs),
                   "Seed": ", ".join(map(str, seeds))}, command)


def of_table(table: pd.DataFrame, command: str) -> Origin:
    """A figure of the benchmark's table, one row per model and measurement: its seeds, and how
    many distinct models it has."""
    facts = {}
    if "seed" in table:
        facts["Seed"] = ", ".join(map(str, sorted(table["seed"].unique())))
    if names := [name for name in ("attack", "seed") if name in table]:
        facts["n"] = f"{len(table[names].drop_duplicates())} backdoored or benign models"
    return Origin(facts, command)


def _counted(run: Run) -> str:
    config = run.config
    if isinstance(config, SpectrumConfig | LandscapeConfig):
        return f"{config.samples} held-out clean images"
    entry: Any = run.results.get("before" if isinstance(config, PurifyConfig) else "train")
    if isinstance(config, PurifyConfig | TrainConfig) and isinstance(entry, dict):
        counts = {what: Rate.from_json(entry.get(name))
                  for what, name in (("clean", "acc"), ("triggered", "asr"))}
        return " and ".join(f"{rate.n:,} {what}" for what, rate in counts.items()
                            if rate is not None and rate.n) + " test images"
    return ""


def _word(value: object) -> str:
    return " + ".join(map(str, value)) if isinstance(value, tuple) else str(value)
