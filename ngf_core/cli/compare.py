"""`compare`: runs beside one another, their differences with intervals, and what is not comparable.
"""

import argparse
import dataclasses
import math
from typing import Any

from ngf_core.cli.tables import print_json
from ngf_core.compare.differences import MOST, compare
from ngf_core.compare.readings import model_title
from ngf_core.compare.report import text
from ngf_core.config import CONFIGS
from ngf_core.errors import ConfigError
from ngf_core.runs import default_store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help=(
        f"ids of 2 to {MOST} runs; `latest` is the newest finished one"))
    parser.add_argument("--baseline", default="", metavar="RUN",
                        help="the run that is subtracted (default: the first)")
    parser.add_argument("--model", default="", metavar="NAME",
                        help="one model only: before, or a method (default: all)")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(options: argparse.Namespace) -> int:
    store = default_store()
    runs = [store.latest(*CONFIGS) if name == "latest" else store.get(name)
            for name in options.runs]
    found = compare(runs, store, options.baseline)
    models = dict.fromkeys(row.model for row in found.rows)
    if options.model and models and options.model not in models:
        raise ConfigError("model", f"there is no difference of {options.model}",
                          f"Name one of {', '.join(models)}.")
    if options.json:
        rows = [row for row in found.rows if options.model in ("", row.model)]
        print_json(_plain(dataclasses.asdict(dataclasses.replace(found, rows=tuple(rows)))
                          | {"command": found.command,
                             "models": {name: model_title(name) for name in models}}))
    else:
        print(text(found, options.model))
    return 0


def _plain(value: Any) -> Any:
    """Without the numbers that JSON does not have: they are null."""
    if isinstance(value, dict):
        return {name: _plain(of) for name, of in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(of) for of in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
