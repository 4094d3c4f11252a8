"""One peer in a process of its own: `python -m benchmarks.side_by_side.child CONTEST PEER MODEL N`.

It prepares, prints "ready", and then measures once per line of JSON it reads, {"seed", "truth"},
printing one line of figures each. Whatever else a library prints goes to standard error.
"""

import argparse
import contextlib
import json
import os
import sys
import warnings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contest")
    parser.add_argument("peer", help="a peer of the contest, or `truth`")
    parser.add_argument("model")
    parser.add_argument("samples", type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--core", type=int, help="stay on this processor core")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    # Read by torch when it is first imported, so before the import below.
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    if arguments.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {arguments.core})
    warnings.filterwarnings("ignore")
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        import torch

        from benchmarks.side_by_side.contests import contest
        from benchmarks.side_by_side.workload import load_workload
        torch.set_num_threads(arguments.threads)
        chosen = contest(arguments.contest)
        prepare = chosen.truth if arguments.peer == "truth" else chosen.peers[arguments.peer]
        measure = prepare(load_workload(arguments.model, arguments.samples, arguments.quick))
        print("ready", file=answers, flush=True)
        for line in sys.stdin:
            print(json.dumps(measure(**json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
