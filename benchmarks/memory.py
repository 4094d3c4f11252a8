"""Peak memory of a spectrum and a landscape of PreActResNet-18, at any number of samples.

    python -m benchmarks.memory                  # about 8 minutes on two cores
    python -m benchmarks.memory --only landscape --samples 250 1000

Random weights, random images: memory does not depend on either. Each measurement runs in a process
of its own, and its peak is the resident set's, Python and torch included. Spectrum: two Lanczos
steps and one product for the trace, so three Hessian products of all 11 million parameters.
Landscape: three points of a random plane. The default of the `memory` setting is listed beside the
measured peak.

Writes benchmarks/results/memory.json after each measurement, and memory.md.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.environment import environment

RESULTS = Path(__file__).parent / "results"
ARCH, SHAPE, CLASSES = "preact_resnet18", (3, 32, 32), 43
SAMPLES = (250, 1000, 2000)
LIMIT = 4.0


def spectrum(model, data) -> float:
    """Two Lanczos steps and a product, as `measure_spectrum` divides its memory.

    The vectors that it may keep, more than so few steps make, are allocated too.
    """
    import torch

    from ngf_core.config import SpectrumConfig
    from ngf_core.curvature import HessianOperator, lanczos
    from ngf_core.curvature.spectral.vector_budget import bytes_for_vectors

    memory = SpectrumConfig.memory * 1e9
    size = sum(p.numel() for p in model.parameters())
    vectors = bytes_for_vectors(memory, 4 * size, SpectrumConfig.k + 1)
    operator = HessianOperator(model, data, memory=memory - vectors)
    basis = torch.ones(int(vectors) // 4 - 4 * size)
    generator = torch.Generator().manual_seed(0)
    lanczos(operator.matvec, operator.size, 2, generator=generator)
    operator @ basis[:size]
    return memory / 1e9


def landscape(model, data) -> float:
    """Three points of a random plane."""
    import torch

    from ngf_core.config import LandscapeConfig
    from ngf_core.landscape import losses_at, random_plane

    memory = LandscapeConfig.memory * 1e9
    plane = random_plane(model, torch.Generator().manual_seed(0))
    losses_at(model, plane, [(0.0, 0.0), (0.1, 0.0), (0.0, 0.1)], {"clean": data},
              memory=int(memory))
    return memory / 1e9


MEASURED = {"spectrum": spectrum, "landscape": landscape}


def child(what: str, samples: int) -> None:
    """Measure once and print JSON."""
    import torch

    from ngf_core.data.floats import as_floats
    from ngf_core.models.build import build_model

    generator = torch.Generator().manual_seed(0)
    model = build_model(ARCH, SHAPE, CLASSES).eval()
    images = torch.randint(0, 256, (samples, *SHAPE), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, CLASSES, (samples,), generator=generator)
    before, started = peak(), time.perf_counter()
    promised = MEASURED[what](model, (as_floats(images), labels))
    print(json.dumps({"what": what, "samples": samples, "promised_gb": promised,
                      "peak_gb": peak(), "before_gb": before,
                      "seconds": round(time.perf_counter() - started, 1)}))


def peak() -> float:
    """The most memory this process has held, in GB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2)


def markdown(rows: list[dict]) -> str:
    """One line per measurement."""
    lines = ["| what | samples | `memory` setting, GB | peak of the process, GB | of it before, GB "
             f"| under {LIMIT:g} GB | seconds |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        over = row["peak_gb"] - LIMIT
        verdict = "yes" if over < 0 else f"**missed by {over:.2g} GB**"
        lines.append(f"| {row['what']} | {row['samples']} | {row['promised_gb']:.3g} | "
                     f"{row['peak_gb']:.2f} | {row['before_gb']:.2f} | {verdict} | "
                     f"{row['seconds']:g} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure what is not known yet, each in its own process, and draw the table."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=MEASURED, default=list(MEASURED))
    parser.add_argument("--samples", nargs="+", type=int, default=list(SAMPLES))
    parser.add_argument("--fresh", action="store_true", help="measure again what is known")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.only[0], arguments.samples[0])
        return
    path = arguments.out / "memory.json"
    known = json.loads(path.read_text())["rows"] if path.exists() else []
    rows = {(row["what"], row["samples"]): row for row in known}
    for what in arguments.only:
        for samples in arguments.samples:
            if (what, samples) in rows and not arguments.fresh:
                continue
            command = [sys.executable, "-m", "benchmarks.memory", "--child", "--only", what,
                       "--samples", str(samples)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True,
                                  env=os.environ)
            rows[what, samples] = json.loads(done.stdout)
            print(rows[what, samples], flush=True)
            ordered = [rows[key] for key in sorted(rows, key=lambda k: (list(MEASURED).index(k[0]),
                                                                        k[1]))]
            arguments.out.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"architecture": ARCH, "rows": ordered,
                                        "environment": environment()}, indent=1) + "\n")
            (arguments.out / "memory.md").write_text(markdown(ordered))


if __name__ == "__main__":
    main()
