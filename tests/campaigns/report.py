"""The report of a fault campaign: JSON that later parts complete, and a page made from it."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from benchmarks.environment import environment
from tests.campaigns.counts import MUST_BE_ZERO, Counts

RESULTS = Path(__file__).parent / "results"


def write(part: Counts, seconds: float, seed: int, command: str, folder: Path = RESULTS,
          add: bool = False) -> None:
    """Put one part into faults.json, in place of an earlier one of its title, and draw faults.md.

    With `add` its counts are added to the earlier ones: the same with another seed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "faults.json"
    new = {"done": dict(part.done), "faults": dict(part.faults), "findings": part.findings,
           "not_run": part.not_run, "seconds": round(seconds), "seeds": [seed],
           "commands": [command], "commits": [_commit()]}
    with FileLock(folder / ".lock"):  # several commands may add at a time
        told = json.loads(path.read_text()) if path.exists() else {"parts": {}}
        earlier = told["parts"].get(part.title) if add else None
        told["parts"][part.title] = new if earlier is None else _sum(earlier, new)
        told["environment"] = environment()
        path.write_text(json.dumps(told, indent=1) + "\n")
        (folder / "faults.md").write_text(page(told))


def _commit() -> str:
    git = environment()["git"] or {"sha": "unknown", "dirty": False}
    return git["sha"][:8] + "+" * git["dirty"]


def _sum(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {name: dict(Counter(one[name]) + Counter(other[name]))
            if isinstance(one[name], dict) else one[name] + other[name] for name in one}


def page(told: Mapping[str, Any]) -> str:
    """The report in Markdown: the sums that must be 0, then each part's counts and findings."""
    parts = told["parts"]
    lines = ["| must be 0 | " + " | ".join(parts) + " |", "| --- |" + " ---: |" * len(parts)]
    lines += [f"| {name} | " + " | ".join(_cell(part, name) for part in parts.values()) + " |"
              for name in MUST_BE_ZERO]
    for title, part in parts.items():
        lines += ["", f"**{title}** (seed {', '.join(map(str, part['seeds']))}; commit "
                  f"{', '.join(dict.fromkeys(part['commits']))}; {part['seconds']} s)", "",
                  *(f"    {command}" for command in part["commands"]), ""]
        if part["not_run"]:
            lines += [part["not_run"]]
            continue
        lines += ["| | number |", "| --- | ---: |"]
        lines += [f"| {name} | {count} |" for name, count in sorted(part["done"].items())]
        lines += [line for finding in part["findings"] for line in ("", f"- {finding}")]
    kind = told["environment"]
    lines += ["", f"Python {kind['python']}, torch {kind['torch']}, {kind['system']}, "
              f"{kind['processor']}, threads: {kind['threads']}, cores: {kind['cores']}."]
    return "\n".join(lines) + "\n"


def _cell(part: Mapping[str, Any], name: str) -> str:
    return "not run" if part["not_run"] else str(part["faults"].get(name, 0))
