"""Run the contests that have not been run yet, then draw the table.

    python -m benchmarks.side_by_side                      # all, median of 5: over half an hour
    python -m benchmarks.side_by_side --only eigenvalues panel
    python -m benchmarks.side_by_side --quick              # does the harness run? not for figures

Writes side_by_side.json after every contest and side_by_side.md, drawn from it. What the JSON file
has is not measured again unless --fresh is given. The machine should be idle otherwise.
"""

import argparse
import queue
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

from benchmarks.side_by_side.contests import CONTESTS, contest
from benchmarks.side_by_side.record import Record, is_done, load, save
from benchmarks.side_by_side.referee import hold
from benchmarks.side_by_side.table import markdown

RESULTS = Path(__file__).parents[1] / "results"
TRYING = Path(".cache/bench-quick")
QUICK_SAMPLES = 20
CORES = (0, 1)
PEERS = ("torch", "numpy", "scipy", "pyhessian", "curvlinops-for-pytorch", "loss-landscapes")


def main() -> None:
    """Run, save, draw."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CONTESTS, metavar="NAME",
                        help=f"some of: {', '.join(CONTESTS)}")
    parser.add_argument("--model", nargs="+", help="before, ngf (default: all of a contest's)")
    parser.add_argument("--repeats", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--samples", type=int, help="images, instead of the contest's own number")
    parser.add_argument("--fresh", action="store_true", help="measure again what is known")
    parser.add_argument("--quick", action="store_true",
                        help=f"few images and points; results go to {TRYING}")
    parser.add_argument("--table", action="store_true", help="only draw the table again")
    parser.add_argument("--out", type=Path, help="folder of the results")
    arguments = parser.parse_args()
    out = arguments.out or (TRYING if arguments.quick else RESULTS)
    records = load(out / "side_by_side.json")
    contests = {name: contest(name) for name in CONTESTS}
    names = [] if arguments.table else arguments.only or list(CONTESTS)
    wanted = []
    for name in names:
        held = contests[name]
        samples = arguments.samples or (QUICK_SAMPLES if arguments.quick else held.samples)
        for model in held.models:
            chosen = not arguments.model or model in arguments.model
            done = not arguments.fresh and is_done(records.get(f"{name}/{model}"), samples,
                                                   arguments.repeats)
            if chosen and not done:
                wanted.append((name, model, samples))
    known, failed = threading.Lock(), []
    cores: queue.SimpleQueue[int] = queue.SimpleQueue()
    for core in CORES:
        cores.put(core)

    def run(job: tuple[str, str, int]) -> None:
        name, model, samples = job
        held = contests[name]
        core = cores.get() if held.threads == 1 else None
        try:
            record = hold(name, held, model, samples, arguments.repeats, core, arguments.quick,
                          lambda text: print(text, flush=True))
        except Exception as error:
            failed.append(f"{name}, {model}: {error}")
            return
        finally:
            if core is not None:
                cores.put(core)
        with known:
            records[record.key] = record
            save(out / "side_by_side.json", records)
            draw(out, records)

    # Contests of one thread: one per core. Of more: alone on the machine.
    with ThreadPoolExecutor(len(CORES)) as pool:
        list(pool.map(run, [job for job in wanted if contests[job[0]].threads == 1]))
    for job in wanted:
        if contests[job[0]].threads > 1:
            run(job)
    print(draw(out, records) if records else "nothing was measured")
    sys.exit("\n".join(failed) or 0)


def draw(out: Path, records: dict[str, Record]) -> str:
    """Write and return the table of everything known, in the order of the contests."""
    ordered = [r for name in CONTESTS for r in records.values() if r.contest == name]
    lines = [line for record in ordered for line in contest(record.contest).lines(record)]
    newest = max(ordered, key=lambda record: record.date)
    about = newest.environment
    header = {
        "command": "`python -m benchmarks.side_by_side`, last finished " + newest.date,
        "commit": ", ".join(sorted({_commit(r) for r in ordered})),
        "machine": f"{about['processor']}, {about['cores']} cores, AMX bf16: {about['amx_bf16']}, "
                   f"GPU: {about['cuda'] or 'none'}",
        "versions": f"Python {about['python']}, "
                    + ", ".join(f"{name} {version(name)}" for name in PEERS),
        "models": "before = backdoored mini, ngf = the same purified by NGF "
                  "(assets/zoo/signs-badnets-s0-race); float32, evaluation mode",
        "repeats": f"median of {min(r.repeats for r in ordered)}; range = smallest and largest "
                   "ratio of the repeats",
        "samples": ", ".join(f"{r.contest} {r.samples}" for r in ordered
                             if r.model == contest(r.contest).models[0]),
        "time": "CPU seconds of the peer's own process, one thread, two contests at a time (one "
                "per core); surface: wall seconds on two threads, alone on the machine",
    }
    text = markdown(lines, header)
    (out / "side_by_side.md").write_text(text)
    return text


def _commit(record: Record) -> str:
    git = record.environment["git"]
    return "unknown" if git is None else git["sha"][:10] + (" (changed)" if git["dirty"] else "")


if __name__ == "__main__":
    main()
