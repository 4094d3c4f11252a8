"""Everything the spectrum page shows: five eigenvalues, the trace to 5 %, a density of 3 probes."""

import math

import numpy as np
import torch
from torch import Tensor

from benchmarks.side_by_side.contest import Contest, Measurement
from benchmarks.side_by_side.plain_hessian import PlainHessian
from benchmarks.side_by_side.pyhessian_peer import counted, density_nodes, hutchinson
from benchmarks.side_by_side.record import Figures, Record
from benchmarks.side_by_side.stopwatch import timed
from benchmarks.side_by_side.table import Goal, Line, seconds
from benchmarks.side_by_side.workload import Workload
from ngf_core.curvature.pyhessian_check import repaired
from ngf_core.curvature.spectral.density import smoothed

K = 5
TOLERANCE = 1e-3
RELATIVE_ERROR = 0.05
PROBES = 3
# The reference density: this many probes, in groups of PROBES, of this many steps.
JUDGES, LENGTH = 9, 24
GRID, RELATIVE_WIDTH = 1000, 0.01
# Decades. Judged where the true density is above VISIBLE of its peak; one eigenvalue of the mini's
# 78 thousand is 1.3e-5 of the peak high.
BOUND, VISIBLE = 0.3, 1e-6

TRACE_NOTE = (
    "Products until the standard error is at most 5 % of the trace. Plain: the number that the "
    "measured spread of all its samples requires, in brackets what the loop spent (it stops by the "
    "same criterion). Ours: the Lanczos run that finds the five eigenvectors counts in full.")
PANEL_NOTE = (
    "CPU seconds for five eigenvalues to 1e-3, the trace to 5 % standard error and a density of "
    "three probes, operator included; pyhessian's three tasks share its cached graph. Density "
    "error: mean |log10 ratio| to a density of nine long runs, where that is above 1e-6 of its "
    f"peak. pyhessian takes the fewest steps at which three probes come within {BOUND} decades (or "
    "as near as they ever come); ours stops its runs itself.")


def truth(workload: Workload) -> Measurement:
    """The density of many long runs, and the fewest steps that three plain probes need."""
    def measure(seed: int, truth: Figures) -> Figures:
        from ngf_core.curvature.spectral.lanczos import lanczos

        plain = PlainHessian(workload, torch.float32)
        generator = torch.Generator().manual_seed(10_000 + seed)
        judges, length = workload.steps(JUDGES, 6), workload.steps(LENGTH, 16)
        runs = [lanczos(plain.matvec, plain.size, length, generator=generator)
                for _ in range(judges)]
        tridiagonals = [(run.alphas, run.betas) for run in runs]
        every = [_nodes(*t) for t in tridiagonals]
        low = min(float(nodes.min()) for nodes, _ in every)
        high = max(float(nodes.max()) for nodes, _ in every)
        width = RELATIVE_WIDTH * (high - low)
        grid = torch.linspace(low - 6 * width, high + 6 * width, GRID, dtype=torch.float64)
        size = plain.size

        def of_three(first: int, m: int) -> float:
            few = [_nodes(a[:m], b[:m]) for a, b in tridiagonals[first:first + PROBES]]
            others = [n for i, n in enumerate(every) if not first <= i < first + PROBES]
            return density_error(_mean(few, grid, width),
                                 _mean([_exact_top(n, size) for n in others], grid, width))

        firsts = range(0, judges, PROBES)
        errors = {m: sorted(of_three(first, m) for first in firsts)[len(firsts) // 2]
                  for m in range(4, length + 1)}
        within = max(BOUND, 1.05 * min(errors.values()))
        reference = _mean([_exact_top(n, size) for n in every], grid, width)
        return {"steps": min(m for m, error in errors.items() if error <= within),
                "errors": errors, "width": width, "low": low, "high": high,
                "values": every[0][0].flip(0)[:K].tolist(), "_reference": reference.tolist()}

    return measure


def pyhessian(workload: Workload) -> Measurement:
    """Its three methods in turn on one cached graph."""
    with repaired(workload.model, workload.x, workload.y, 0) as warm:
        warm.eigenvalues(maxIter=2, tol=TOLERANCE, top_n=1)

    def measure(seed: int, truth: Figures) -> Figures:
        found: Figures = {}

        def work() -> None:
            with repaired(workload.model, workload.x, workload.y, seed) as theirs:
                _, found["eigenvalues"] = timed(
                    lambda: theirs.eigenvalues(tol=TOLERANCE, top_n=K))
                found["eigenvalues"]["products"] = products[0]
                found["samples"], found["trace"] = timed(
                    lambda: hutchinson(theirs, RELATIVE_ERROR))
                found["nodes"], found["density"] = timed(
                    lambda: density_nodes(theirs, truth["steps"], PROBES))

        with counted() as products:
            _, cost = timed(work)
        samples = torch.tensor(found.pop("samples"), dtype=torch.float64)
        nodes, weights = found.pop("nodes")
        grid = _grid(truth)
        return cost | found | {
            "products": products[0],
            "trace_products": len(samples), "trace_value": float(samples.mean()),
            "trace_spread": float(samples.std()),
            "density_error": density_error(_mean(zip(nodes, weights), grid, truth["width"]),
                                           torch.tensor(truth["_reference"]))}

    return measure


def ours(workload: Workload) -> Measurement:
    """`measure_spectrum`; for the trace alone, one Krylov run and the probes still needed."""
    from ngf_core.curvature import HessianOperator, lanczos, measure_spectrum, trace
    from ngf_core.curvature.spectral.eigenvalues import settled

    data = (workload.x, workload.y)
    warm = HessianOperator(workload.model, data)
    warm @ torch.ones(warm.size)
    del warm

    def trace_alone(seed: int) -> tuple[int, float]:
        operator = HessianOperator(workload.model, data)
        generator = torch.Generator().manual_seed(seed)
        run = lanczos(operator.matvec, operator.size, 300, generator=generator,
                      stop=settled(K, TOLERANCE))
        found = trace(operator, 1000, generator, run, error=RELATIVE_ERROR)
        return operator.products, found.standard_error / abs(found.value)

    def measure(seed: int, truth: Figures) -> Figures:
        grid = _grid(truth)
        spectrum, cost = timed(lambda: measure_spectrum(
            workload.model, data, k=K, bottom=0, probes=PROBES, trace_error=RELATIVE_ERROR,
            trace_probes=1000, tolerance=TOLERANCE, seed=seed))
        density = _on_grid(spectrum.density.grid, spectrum.density.mean, grid)
        products, error = trace_alone(seed)
        return cost | {
            "products": spectrum.products, "trace_value": spectrum.trace.value,
            "trace_error": spectrum.trace.standard_error / abs(spectrum.trace.value),
            "trace_products": products, "trace_alone_error": error,
            "density_error": density_error(density, torch.tensor(truth["_reference"]))}

    return measure


def density_error(density: Tensor, reference: Tensor) -> float:
    """Mean |log10(density / reference)| where the reference is visible on a log axis."""
    seen = reference > VISIBLE * reference.max()
    floor = 1e-12 * reference.max()
    ratio = density[seen].clamp_min(floor).log10() - reference[seen].log10()
    return float(ratio.abs().mean())


def _nodes(alphas: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    """Nodes, increasing, and weights of the quadrature."""
    t = torch.diag(alphas) + torch.diag(betas[:-1], 1) + torch.diag(betas[:-1], -1)
    values, vectors = torch.linalg.eigh(t)
    return values, vectors[0] ** 2


def _exact_top(quadrature: tuple[Tensor, Tensor], size: int) -> tuple[Tensor, Tensor]:
    """The same with 1/P for each of the K largest nodes, which have converged to eigenvalues."""
    nodes, weights = quadrature
    exact = weights.clone()
    exact[-K:] = 1 / size
    exact[:-K] *= (1 - K / size) / exact[:-K].sum()
    return nodes, exact


def _mean(quadratures, grid: Tensor, width: float) -> Tensor:
    return torch.stack([smoothed(n, w, grid, width) for n, w in quadratures]).mean(0)


def _on_grid(places: Tensor, density: Tensor, grid: Tensor) -> Tensor:
    """A density known at 600 places, on another grid; between them its logarithm is linear."""
    logs = density.clamp_min(1e-300).log10()
    return torch.from_numpy(10 ** np.interp(grid, places, logs))


def _grid(truth: Figures) -> Tensor:
    margin = 6 * truth["width"]
    return torch.linspace(truth["low"] - margin, truth["high"] + margin, GRID, dtype=torch.float64)


def lines(record: Record) -> list[Line]:
    """Products of the trace, CPU seconds of the panel."""
    spreads = record.values("pyhessian", "trace_spread")
    values = record.values("pyhessian", "trace_value")
    spread = math.sqrt(sum(s**2 for s in spreads) / len(spreads))
    needed = math.ceil((spread / (RELATIVE_ERROR * abs(sum(values) / len(values)))) ** 2)
    products = record.median("ours", "trace_products")
    spent = record.median("pyhessian", "trace_products")

    def cost(peer: str) -> str:
        return (f"{seconds(record.median(peer, 'cpu'))}, {record.median(peer, 'products'):g} "
                f"products, density error {record.median(peer, 'density_error'):.2g}")

    return [
        Line("trace to 5 % standard error, products", record.model, "plain Hutchinson",
             f"{needed} ({spent:g})", f"{products:g}", needed / products, Goal(2.5, 4), None,
             TRACE_NOTE),
        Line("full panel, CPU seconds", record.model, "pyhessian", cost("pyhessian"), cost("ours"),
             record.median("pyhessian", "cpu") / record.median("ours", "cpu"), Goal(3, 5),
             record.range("pyhessian", "ours", "cpu"), PANEL_NOTE)]


CONTEST = Contest("full panel", {"pyhessian": pyhessian, "ours": ours}, lines, samples=100,
                  truth=truth)
