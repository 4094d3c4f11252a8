"""The command `python -m ngf_core data`: list the data sets, or fetch one."""

import argparse
import os
import sys

from ngf_core.data import DATASETS, DatasetEntry
from ngf_core.errors import NGFError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `python -m ngf_core data`."""
    actions = parser.add_subparsers(dest="action", required=True)
    shown = actions.add_parser("list", help="data sets: images, classes, where they are",
                               description="List the data sets and mark those on disk.")
    fetched = actions.add_parser("download", help="fetch a data set from its makers' pages",
                                 description="Fetch a data set. Nothing is fetched otherwise.")
    fetched.add_argument("name", metavar="NAME", help="data set: " + ", ".join(
        name for name, entry in DATASETS.items() if entry.download_bytes))
    for action in (shown, fetched):
        action.add_argument("--root", default="", metavar="FOLDER", help="folder with your data "
                            "sets (default: where NGF_DATA points, else ./data)")


def run(arguments: argparse.Namespace) -> int:
    """List or fetch; 0 on success."""
    # Otherwise torchvision draws its own progress bar; tqdm reads this when it is imported.
    os.environ.setdefault("TQDM_DISABLE", "1")
    if arguments.action == "list":
        print(table(arguments.root))
    else:
        _fetch(arguments.name, arguments.root)
    return 0


def table(root: str) -> str:
    """One line per data set, then where they are looked for and where decoded images are kept."""
    from ngf_core.data.source import data_folder
    from ngf_core.paths import cache_folder

    rows: list[tuple[str, ...]] = [
        ("NAME", "DATA SET", "TRAIN", "TEST", "CLASSES", "PIXELS", "DOWNLOAD", "WHERE")]
    rows += [_row(name, entry, root) for name, entry in DATASETS.items()]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
             for row in rows]
    decoded = sum(path.stat().st_size for path in cache_folder().glob("*.images"))
    return "\n".join([*lines, "", f"Sets that do not ship are looked for in {data_folder(root)}.",
                      f"Their decoded images take {decoded / 1e9:.1f} GB in {cache_folder()}, "
                      "which is safe to empty."])


def _row(name: str, entry: DatasetEntry, root: str) -> tuple[str, ...]:
    # Where the number of classes is open, so are the counts of images.
    train, test, classes = (f"{n:,}" if entry.classes else "any" for n in
                            (entry.train_images, entry.test_images, entry.classes))
    fetched = f"{entry.download_bytes / 1e6:.0f} MB" if entry.download_bytes else "-"
    return (name, entry.title, train, test, classes, f"{entry.channels} x {entry.size}²",
            fetched, _where(name, entry, root))


def _where(name: str, entry: DatasetEntry, root: str) -> str:
    if entry.embedded:
        return "ships"
    from ngf_core.data.dataset import find_source

    try:
        places = find_source(name, root).places
    except NGFError:
        return "not here"
    return str(places[0].parent if places[0].is_file() else places[0])


def _fetch(name: str, root: str) -> None:
    from ngf_core.data.download import FETCHERS, download
    from ngf_core.data.source import data_folder

    if name in FETCHERS:
        print(f"Downloading {DATASETS[name].title} ({DATASETS[name].download_bytes / 1e6:.0f} MB) "
              f"into {data_folder(root)}", file=sys.stderr)
    folder = download(name, root, _show if sys.stderr.isatty() else None)
    print(f"{DATASETS[name].title} is in {folder}.")


def _show(done: int, total: int) -> None:
    print(f"\r{done / 1e6:.0f} of {total / 1e6:.0f} MB", end="\n" if done == total else "",
          file=sys.stderr, flush=True)
