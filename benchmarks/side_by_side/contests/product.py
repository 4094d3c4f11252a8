"""One Hessian product, graph already built."""

import torch

from benchmarks.side_by_side.contest import Contest, Measurement
from benchmarks.side_by_side.plain_hessian import PlainHessian
from benchmarks.side_by_side.record import Figures, Record
from benchmarks.side_by_side.stopwatch import timed
from benchmarks.side_by_side.table import Goal, Line, seconds
from benchmarks.side_by_side.workload import Workload
from ngf_core.curvature.pyhessian_check import repaired

PRODUCTS = 5
NOTE = (f"Mean of {PRODUCTS} products in a row, float32; both keep the graph of the gradient. "
        "Error: relative, of vᵀHv, against a plain float64 product.")


def _vector(size: int) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(0))


def truth(workload: Workload) -> Measurement:
    """vᵀHv in float64."""
    def measure(seed: int, truth: Figures) -> Figures:
        plain = PlainHessian(workload)
        v = _vector(plain.size).double()
        return {"value": float(v @ plain.matvec(v))}

    return measure


def pyhessian(workload: Workload) -> Measurement:
    """`hessian_vector_product` on its cached gradient."""
    from pyhessian.utils import hessian_vector_product

    context = repaired(workload.model, workload.x, workload.y, 0)
    theirs = context.__enter__()
    flat = _vector(sum(p.numel() for p in theirs.params))
    vector = [part.view(p.shape) for part, p in
              zip(flat.split([p.numel() for p in theirs.params]), theirs.params)]

    def product() -> float:
        parts = hessian_vector_product(theirs.gradsH, theirs.params, vector)
        return float(sum((a.double() * b.double()).sum() for a, b in zip(parts, vector)))

    return _repeated(product)


def ours(workload: Workload) -> Measurement:
    """`HessianOperator.matvec`."""
    from ngf_core.curvature import HessianOperator

    operator = HessianOperator(workload.model, (workload.x, workload.y))
    vector = _vector(operator.size)
    return _repeated(lambda: float(vector.double() @ operator.matvec(vector).double()))


def _repeated(product) -> Measurement:
    for _ in range(2):
        product()

    def measure(seed: int, truth: Figures) -> Figures:
        values, cost = timed(lambda: [product() for _ in range(PRODUCTS)])
        return {"cpu": cost["cpu"] / PRODUCTS, "wall": cost["wall"] / PRODUCTS,
                "error": abs(values[0] / truth["value"] - 1)}

    return measure


def lines(record: Record) -> list[Line]:
    """CPU seconds of a product."""
    theirs, mine = (record.median(peer, "cpu") for peer in ("pyhessian", "ours"))
    errors = [f"error {record.median(peer, 'error'):.0e}" for peer in ("pyhessian", "ours")]
    return [Line("one Hessian product, CPU seconds", record.model, "pyhessian",
                 f"{seconds(theirs)}, {errors[0]}", f"{seconds(mine)}, {errors[1]}", theirs / mine,
                 Goal(1, 1.3), record.range("pyhessian", "ours", "cpu"), NOTE)]


CONTEST = Contest("one Hessian product", {"pyhessian": pyhessian, "ours": ours}, lines,
                  samples=200, truth=truth)
