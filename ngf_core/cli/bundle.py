"""`bundle`: runs as one zip for a reviewer, that zip in another store, and the comparison."""

import argparse
import sys
from pathlib import Path

from ngf_core.errors import ConfigError
from ngf_core.runs import RunStore, default_store
from ngf_core.text_table import aligned

_MOST_ROWS = 60
_USAGE = """%(prog)s RUN... [--weights] [--out FILE.zip]
       %(prog)s open FILE.zip
       %(prog)s check FILE.zip [--against STORE]"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = _USAGE
    parser.add_argument("words", nargs="+", metavar="RUN", help=(
        "ids of finished runs, `latest` is the newest; or `open` and a bundle, to put its runs "
        "here; or `check` and a bundle (a zip, or its unzipped folder), to compare its numbers"))
    parser.add_argument("--weights", action="store_true", help="with the models' weights")
    parser.add_argument("--out", type=Path, metavar="FILE.zip",
                        help="the zip (default: the last run's id, here)")
    parser.add_argument("--against", type=Path, metavar="STORE",
                        help="folder of the runs to compare with (default: NGF_RUNS, else ./runs)")


def run(options: argparse.Namespace) -> int:
    """Exit code 0; of `check` 1 where numbers differ."""
    first, *others = options.words
    if first not in ("open", "check"):
        return _make(options)
    if len(others) != 1:
        raise ConfigError("bundle", f"`{first}` takes one file, and {len(others)} are named",
                          f"Try `ngf bundle {first} FILE.zip`.")
    return _open(Path(others[0])) if first == "open" else _check(Path(others[0]), options)


def _make(options: argparse.Namespace) -> int:
    from ngf_core.bundle.contents import bundle

    store = default_store()
    runs = [store.latest(*_KINDS) if name == "latest" else store.get(name)
            for name in options.words]
    content = bundle(runs, store, options.weights)
    out = options.out or Path(f"{runs[-1].id}.zip")
    out.write_bytes(content)
    print(out)
    return 0


_KINDS = ("train", "import", "purify", "spectrum", "landscape", "layers", "audit")


def _open(archive: Path) -> int:
    from ngf_core.bundle.opened import take_in

    taken = take_in(archive, default_store())
    for made in taken.new:
        print(made.id)
    for there in taken.had:
        print(f"{there.id} is here already and stays as it is.", file=sys.stderr)
    return 0


def _check(archive: Path, options: argparse.Namespace) -> int:
    from ngf_core.bundle.differences import SPREAD, compare
    from ngf_core.bundle.opened import read_bundle

    if options.against is not None and not options.against.is_dir():
        raise ConfigError("against", f"there is no folder {options.against}",
                          "Name a folder of runs.")
    store = default_store() if options.against is None else RunStore(options.against)
    with read_bundle(archive) as bundled:
        found = compare(bundled, store)
    for name in found.within:
        print(f"{name} ran on another processor, threads or versions, or started from a model of "
              "other weights: its rates and sharpness are compared within the stated spread.",
              file=sys.stderr)
    if found.within:
        print("Spread: " + ", ".join(
            f"{name} {amount:g} points" if name in ("acc", "asr", "ra")
            else f"{name} factor {amount:g}" for name, amount in SPREAD.items()), file=sys.stderr)
    if found.differences:
        rows = [[d.run, d.what, d.bundle, d.again, d.allowed] for d in found.differences]
        print(aligned([["run", "what", "bundle", "again", "allowed"], *rows[:_MOST_ROWS]]))
        if len(rows) > _MOST_ROWS:
            print(f"and {len(rows) - _MOST_ROWS} more")
        print(f"not reproduced: {len(rows)} of {found.compared} numbers differ")
        return 1
    if not found.compared:
        print("Nothing could be compared: on another processor only rates and sharpness are.")
        return 1
    how = ("equal" if not found.within else "within the stated spread" if not found.equal
           else "equal or, elsewhere, within the stated spread")
    print(f"reproduced: {found.compared} numbers of {len(found.equal + found.within)} runs, {how}")
    return 0
