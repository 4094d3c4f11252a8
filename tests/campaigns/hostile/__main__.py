"""`python -m tests.campaigns.hostile`: give every case, and write the report."""

import argparse
import json
import platform
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path

import torch

from tests.campaigns.hostile.all_cases import all_cases
from tests.campaigns.hostile.case import TAKEN, Verdict
from tests.campaigns.hostile.judge import LIMIT, judge
from tests.support.forked import forked

RESULTS = Path(__file__).parents[1] / "results"
COMMAND = "python -m tests.campaigns.hostile"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where every case came to what it has to."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of what Hypothesis draws")
    parser.add_argument("--examples", type=int, default=50, help="drawn for each such case")
    parser.add_argument("--subjects", nargs="*", default=None, help="only these, or none")
    parser.add_argument("--every", type=int, default=1, help="only every so many of the cases")
    parser.add_argument("--quick", action="store_true", help="each through its first door alone")
    parser.add_argument("--fresh", action="store_true", help="second doors in a new interpreter, "
                        "as the server has them, and not in a fork; some seconds each")
    parser.add_argument("--add", type=Path, nargs="+", default=(), metavar="FOLDER",
                        help="take the subjects that are not given now from the reports there")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the report")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # a forked child would wait for its parent's other threads for ever
    given = [case for case in all_cases(options.examples, options.seed)
             if options.subjects is None or case.subject in options.subjects][::options.every]
    began, verdicts = time.monotonic(), []
    for number, case in enumerate(given, 1):
        with nullcontext() if options.fresh else forked():
            verdicts.append(judge(case, not options.quick))
        if verdicts[-1].wrong:
            print(f"{case.subject}: {case.name}: {verdicts[-1].wrong}", flush=True)
        elif not number % 50:
            print(f"{number} of {len(given)}", file=sys.stderr, flush=True)
    told = summary(verdicts, options, time.monotonic() - began)
    for folder in options.add:
        told = added(told, json.loads((folder / "hostile.json").read_text()))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "hostile.json").write_text(json.dumps(told, indent=1) + "\n")
    (options.out / "hostile.md").write_text(report(told))
    return bool(told["wrong"])


def summary(verdicts: Sequence[Verdict], options: argparse.Namespace, seconds: float) -> dict:
    """Counts by subject, what went wrong, and how to repeat it."""
    subjects = {}
    for subject in dict.fromkeys(verdict.case.subject for verdict in verdicts):
        of = [verdict for verdict in verdicts if verdict.case.subject == subject]
        taken = [verdict for verdict in of if verdict.outcomes[0].said == TAKEN]
        subjects[subject] = {
            "cases": len(of), "inputs": sum(verdict.case.examples for verdict in of),
            "refused": len(of) - len(taken), "taken": len(taken),
            "second_door": sum(len(verdict.outcomes) > 1 for verdict in of),
            "at_limits": sum(bool(re.search(LIMIT, verdict.outcomes[-1].said)) for verdict in of),
            "executed": sum(any(o.executed for o in verdict.outcomes) for verdict in of),
            "died": sum(any(o.broke.startswith(("the process ended", "no answer"))
                            for o in verdict.outcomes) for verdict in of),
            "wrong": sum(bool(verdict.wrong) for verdict in of)}
    words = [COMMAND, f"--seed {options.seed}", f"--examples {options.examples}",
             *([f"--every {options.every}"] if options.every > 1 else []),
             *(["--quick"] if options.quick else []), *(["--fresh"] if options.fresh else [])]
    return {"command": " ".join(words), "goes": int(bool(verdicts)), "fresh": options.fresh,
            "seed": options.seed, "seconds": round(seconds),
            "environment": {"python": platform.python_version(), "system": platform.system(),
                            "release": platform.release().split("-")[0],
                            **{name: version(name) for name in (
                                "torch", "streamlit", "pillow", "safetensors", "hypothesis")}},
            "subjects": subjects, "total": dict(sum(map(Counter, subjects.values()), Counter())),
            "wrong": {f"{v.case.subject}: {v.case.name}": v.wrong for v in verdicts if v.wrong}}


def added(told: dict, earlier: dict) -> dict:
    """A report with the subjects that an earlier one has besides.

    Raises ValueError where the earlier one was made by other options or in another environment.
    """
    for name in ("command", "environment"):
        if told[name] != earlier[name]:
            raise ValueError(f"{name} is {told[name]}, and in the earlier report {earlier[name]}")
    of = {**earlier["subjects"], **told["subjects"]}
    kept = {name: wrong for name, wrong in earlier["wrong"].items()
            if name.partition(": ")[0] not in told["subjects"]}
    return told | {"subjects": of, "total": dict(sum(map(Counter, of.values()), Counter())),
                   "wrong": kept | told["wrong"], "goes": told["goes"] + earlier["goes"],
                   "seconds": told["seconds"] + earlier["seconds"]}


def report(told: dict) -> str:
    """The summary as Markdown."""
    columns = ("cases", "inputs", "refused", "taken", "second_door", "at_limits", "executed",
               "died", "wrong")
    heads = ("subject", "cases", "inputs", "refused with a sentence", "taken in, harmless",
             "through a second door too", "stopped by a limit", "code executed",
             "processes ended", "wrong")
    rows = [(subject, *(str(counts[name]) for name in columns))
            for subject, counts in told["subjects"].items()]
    rows.append(("**all**", *(str(told["total"].get(name, 0)) for name in columns)))
    lines = ["# Hostile input", "",
             "Each case is given to the program in a process of its own. A payload leaves a mark "
             "(a file, a variable, an attribute of torch) or an event that Python reports "
             "(PEP 578), which the campaign looks for. A case is wrong where something is "
             "executed, the process ends, or what is said does not name the fault. An input drawn "
             "by Hypothesis counts as an input, the whole series as a case. The second door is "
             "the server's own way: the confined process that opens uploads, here "
             + ("started anew" if told["fresh"] else "forked") + ".", "",
             f"Command: `{told['command']}`, {told['seconds']} seconds"
             + (f" in {told['goes']} goes (`--subjects`, `--add`)" if told["goes"] > 1 else "")
             + ". Environment: " + ", ".join(
                 f"{name} {value}" for name, value in told["environment"].items()) + ".", "",
             "| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads),
             *("| " + " | ".join(row) + " |" for row in rows), ""]
    lines += [f"- {name}: {wrong}" for name, wrong in told["wrong"].items()]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
