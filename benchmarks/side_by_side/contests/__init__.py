"""The contests by name, in the order of the table. A new one is a module here with a `CONTEST`."""

from importlib import import_module

from benchmarks.side_by_side.contest import Contest

CONTESTS = ("eigenvalues", "panel", "product", "surface", "layers", "point", "ngf_step",
            "last_layer", "live")


def contest(name: str) -> Contest:
    """The contest called `name`; its module imports no peer before a child does."""
    return import_module(f"benchmarks.side_by_side.contests.{name}").CONTEST
