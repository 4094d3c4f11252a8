"""Options that take a list, under one name in all commands."""

import argparse
from typing import Any


def add_list(parser: Any, name: str, *also: str, **form: Any) -> None:
    """Add --`name`, a plural such as --attacks, which takes one or more values.

    The singular and the names in `also` mean the same; the help does not list them. `form` is what
    `add_argument` takes.
    """
    parser.add_argument(f"--{name}", nargs="+", **form)
    hidden = form | {"dest": name, "default": argparse.SUPPRESS, "help": argparse.SUPPRESS}
    for plural in (name, *also):
        for other in {plural, plural.removesuffix("s")} - {name}:
            parser.add_argument(f"--{other}", nargs="+", **hidden)
