"""How often a page draw reads the manifests of a store of 500 runs, and what a rerun costs.

    python -m benchmarks.page_reads                    # about 3 minutes on two cores
    python -m benchmarks.page_reads --label before     # the same, kept as the figures to beat

The store: the shipped runs, and copies of them under other ids in a temporary folder, whose
sources are copies too. Each page is drawn by Streamlit's AppTest in a fresh session, once with
empty caches and then RERUNS times. A read is an opening of a manifest.json, as Python's audit hook
reports it. The time is the median processor time of the reruns; the first draw imports too
much to be compared. The page Sweep shows a fabricated sweep of 2,024 cells, seven of eight seeds of
it done, and looks at its folder anew at each rerun.

Writes benchmarks/results/page_reads.json and page_reads.md, one row per page and label.
"""

import argparse
import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.read.sweep import FRESH
from benchmarks.environment import environment
from ngf_core.attacks import ATTACKS
from ngf_core.evidence.entrants import ENTRANTS
from ngf_core.runs import Run, default_store
from ngf_core.runs.store import BENCHMARK
from ngf_core.runs.tensors import encode, shapes
from ngf_core.sweep.cell_states import DONE, MISSING
from ngf_core.sweep.grid import Grid
from tests.support.fabricated_sweep import fabricated

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
PAGES = tuple(sorted(path.stem for path in (ROOT / "app" / "views").glob("[a-z]*.py")))
RUNS, RERUNS = 500, 5
LABELS = ("before", "after")
SEEDS = 8
SWEEP = Grid(tuple(ATTACKS), tuple(name for name, entrant in ENTRANTS.items()
                                   if entrant.group == "defense"), seeds=tuple(range(SEEDS)))


@contextmanager
def manifest_reads() -> Iterator[Counter[str]]:
    """How often each manifest.json is opened for reading while the context lasts, by its path."""
    reads: Counter[str] = Counter()
    counting = True

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        if counting and event == "open" and str(arguments[0]).endswith("manifest.json") \
                and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            reads[str(arguments[0])] += 1

    sys.addaudithook(count)  # permanent: Python cannot remove one
    try:
        yield reads
    finally:
        counting = False


def fill(root: Path, count: int) -> None:
    """Copies of the shipped runs in `root` until it and they are `count` runs."""
    shipped = default_store().list()
    for number in range(count - len(shipped)):
        copied, run = divmod(number, len(shipped))
        _copy(shipped[run], root, f"-copy{copied}")


def _copy(run: Run, root: Path, suffix: str) -> None:
    """One run under another id, as a user's own: its manifest rewritten, its other files linked.

    Files that complete one of the shipped source are whole in the copy, whose source is elsewhere.
    """
    manifest = run.manifest
    manifest |= {"id": run.id + suffix}
    if manifest["source"]:
        manifest["source"] += suffix
        manifest["config"]["source"] = manifest["source"]
    folder = root / manifest["id"]
    folder.mkdir(parents=True)
    for file in run.path.iterdir():
        if file.suffix == ".safetensors" and shapes(file)[1] is not None:
            content = encode(run.tensors(file.name))
            (folder / file.name).write_bytes(content)
            manifest["files"] |= {file.name: hashlib.sha256(content).hexdigest()}
        elif file.name != "manifest.json":
            (folder / file.name).symlink_to(file.resolve())
    (folder / "manifest.json").write_text(json.dumps(manifest))


def measure(page: str) -> dict[str, Any]:
    """Reads of the first draw of `page` and of a rerun, and the processor seconds of a rerun."""
    import streamlit as st
    from streamlit.testing.v1 import AppTest

    st.cache_resource.clear()
    st.cache_data.clear()
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=300)
    if page != "start":
        app.switch_page(f"app/views/{page}.py")
    draws = []
    for _ in range(1 + RERUNS):
        if page == "sweep":
            time.sleep(FRESH)  # until then all sessions share one look
        began = time.process_time()
        with manifest_reads() as reads:
            app.run()
        draws.append((time.process_time() - began, reads))
        if app.exception:
            raise RuntimeError(f"The page {page} shows an exception: {app.exception[0].message}")
    (_, first), *later = draws
    return {"page": page, "first_reads": first.total(),
            "first_most": max(first.values(), default=0),
            "reads": statistics.median(reads.total() for _, reads in later),
            "most": max((n for _, reads in later for n in reads.values()), default=0),
            "seconds": round(statistics.median(seconds for seconds, _ in later), 3)}


def markdown(rows: list[dict[str, Any]]) -> str:
    """One line per page that was measured: reads of a first draw and of a rerun, its seconds,
    before and after."""
    lines = ["| page | first draw: reads | most of one manifest | rerun: reads | "
             "most of one manifest | processor seconds | ratio |",
             "|---|---|---|---|---|---|---|"]
    for page in PAGES:
        pair = [next((row for row in rows if (row["page"], row["label"]) == (page, label)), None)
                for label in LABELS]
        if pair == [None, None]:
            continue
        cells = [_pair(pair, name) for name in
                 ("first_reads", "first_most", "reads", "most", "seconds")]
        lines.append(f"| {' | '.join([page, *cells, _ratio(pair, 'seconds')])} |")
    return "\n".join(lines) + "\n"


def _pair(pair: list[dict[str, Any] | None], name: str) -> str:
    return " → ".join("?" if row is None else f"{row[name]:g}" for row in pair)


def _ratio(pair: list[dict[str, Any] | None], name: str) -> str:
    return "?" if None in pair else f"{pair[0][name] / pair[1][name]:.1f}"


def main() -> None:
    """Measure every page, keep the rows of the other label, and draw the table."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--label", choices=LABELS, default="after")
    parser.add_argument("--only", nargs="+", choices=PAGES, default=list(PAGES))
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    path = arguments.out / "page_reads.json"
    known = json.loads(path.read_text()) if path.exists() else {"rows": [], "environment": {}}
    rows = {(row["label"], row["page"]): row for row in known["rows"]}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NGF_RUNS"] = folder
        fill(Path(folder), RUNS)
        fabricated(Path(folder) / BENCHMARK, SWEEP,
                   lambda cell: MISSING if cell.seed == SEEDS - 1 else DONE)
        for page in arguments.only:
            rows[arguments.label, page] = {"label": arguments.label} | measure(page)
            print(rows[arguments.label, page], flush=True)
    ordered = [rows[key] for key in sorted(rows, key=lambda k: (LABELS.index(k[0]), k[1]))]
    arguments.out.mkdir(parents=True, exist_ok=True)
    of = "" if set(arguments.only) == set(PAGES) else f": {', '.join(arguments.only)}"
    known["environment"][arguments.label + of] = environment()
    path.write_text(json.dumps({"runs": RUNS, "reruns": RERUNS, "rows": ordered,
                                "environment": known["environment"]}, indent=1) + "\n")
    (arguments.out / "page_reads.md").write_text(markdown(ordered))


if __name__ == "__main__":
    main()
