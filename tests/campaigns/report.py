"""The report of a fault campaign: JSON that later parts complete, and a page made from it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.environment import environment
from tests.campaigns.counts import MUST_BE_ZERO, Counts

RESULTS = Path(__file__).parent / "results"


def write(part: Counts, seconds: float, seed: int, command: str, folder: Path = RESULTS) -> None:
    """Put one part into faults.json, in place of an earlier one of its title, and draw faults.md.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "faults.json"
    told = json.loads(path.read_text()) if path.exists() else {"parts": {}}
    told["environment"] = environment()
    told["parts"][part.title] = {
        "done": dict(part.done), "faults": dict(part.faults), "findings": part.findings,
        "not_run": part.not_run, "seconds": round(seconds), "seed": seed, "command": command}
    path.write_text(json.dumps(told, indent=1) + "\n")
    (folder / "faults.md").write_text(page(told))


def page(told: Mapping[str, Any]) -> str:
    """The report in Markdown: the sums that must be 0, then each part's counts and findings."""
    parts = told["parts"]
    lines = ["| must be 0 | " + " | ".join(parts) + " |", "| --- |" + " ---: |" * len(parts)]
    lines += [f"| {name} | " + " | ".join(_cell(part, name) for part in parts.values()) + " |"
              for name in MUST_BE_ZERO]
    for title, part in parts.items():
        lines += ["", f"**{title}** (`{part['command']}`, seed {part['seed']}, "
                  f"{part['seconds']} s)", ""]
        if part["not_run"]:
            lines += [part["not_run"]]
            continue
        lines += ["| | number |", "| --- | ---: |"]
        lines += [f"| {name} | {count} |" for name, count in sorted(part["done"].items())]
        lines += [line for finding in part["findings"] for line in ("", f"- {finding}")]
    kind = told["environment"]
    lines += ["", f"Python {kind['python']}, torch {kind['torch']}, {kind['system']}, "
              f"{kind['processor']}, {kind['threads']} thread of {kind['cores']} cores, commit "
              f"{(kind['git'] or {}).get('sha', 'unknown')[:8]}."]
    return "\n".join(lines) + "\n"


def _cell(part: Mapping[str, Any], name: str) -> str:
    return "not run" if part["not_run"] else str(part["faults"].get(name, 0))
