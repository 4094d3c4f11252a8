"""`python -m ngf_core export`: a run's model as a file, with its card."""

import argparse
from pathlib import Path

from ngf_core.runs import default_store
from ngf_core.runs.files import MODEL_KINDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="id of a finished train, import or purify run; `latest` is "
                        "the newest")
    parser.add_argument("--model", default="before",
                        help="before (the received one), or the method that purified it")
    parser.add_argument("--format", default="safetensors", metavar="NAME",
                        help="safetensors or torch (default: safetensors)")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder (default: this one)")


def run(options: argparse.Namespace) -> int:
    """Write the weights and the card, and print where they are."""
    from ngf_core.imports.export import export, write

    store = default_store()
    chosen = (store.latest("purify", *MODEL_KINDS) if options.run == "latest"
              else store.get(options.run))
    files = export(chosen, store, options.model, options.format)
    for path in write(files, options.out):
        print(path)
    return 0
