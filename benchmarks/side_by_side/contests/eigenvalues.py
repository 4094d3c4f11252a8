"""The five largest Hessian eigenvalues to 1e-3."""

import torch

from benchmarks.side_by_side.contest import Contest, Measurement
from benchmarks.side_by_side.plain_hessian import PlainHessian
from benchmarks.side_by_side.pyhessian_peer import counted
from benchmarks.side_by_side.record import Figures, Record
from benchmarks.side_by_side.stopwatch import timed
from benchmarks.side_by_side.table import Goal, Line, seconds
from benchmarks.side_by_side.workload import Workload
from ngf_core.curvature.pyhessian_check import repaired

K = 5
TOLERANCE = 1e-3

NOTE = ("Tolerance 1e-3: pyhessian's bound is the change of its estimate, eigsh's the residual "
        "relative to each eigenvalue, ours the residual relative to the largest. Ours without "
        "the search for repeated eigenvalues (`check=False`), which neither peer has. "
        "Building the operator counts. Error: largest relative error of the five against eigsh "
        "to 1e-10 on a plain float64 product.")


def truth(workload: Workload) -> Measurement:
    """The leading eigenvalues in float64, to ten digits, by ARPACK on a plain product."""
    def measure(seed: int, truth: Figures) -> Figures:
        import numpy as np
        from scipy.sparse.linalg import LinearOperator, eigsh

        plain = PlainHessian(workload)
        operator = LinearOperator((plain.size, plain.size), dtype="float64", matvec=lambda v:
                                  plain.matvec(torch.from_numpy(v.reshape(-1))).numpy())
        start = np.random.default_rng(seed).standard_normal(plain.size)
        values = eigsh(operator, K, which="LA", tol=1e-10, v0=start, ncv=4 * K,
                       return_eigenvectors=False)
        return {"values": sorted(values.tolist(), reverse=True), "products": plain.products}

    return measure


def pyhessian(workload: Workload) -> Measurement:
    """Deflated power iteration on its cached gradient graph."""
    with repaired(workload.model, workload.x, workload.y, 0) as warm:
        warm.eigenvalues(maxIter=2, tol=TOLERANCE, top_n=1)

    def measure(seed: int, truth: Figures) -> Figures:
        def work() -> list[float]:
            with repaired(workload.model, workload.x, workload.y, seed) as theirs:
                return theirs.eigenvalues(tol=TOLERANCE, top_n=K)[0]

        with counted() as products:
            values, cost = timed(work)
        return cost | {"products": products[0]} | _judged(values, truth)

    return measure


def curvlinops(workload: Workload) -> Measurement:
    """Its Hessian operator, all samples in one batch (its fastest way), under SciPy's eigsh."""
    import numpy as np
    from curvlinops import HessianLinearOperator
    from scipy.sparse.linalg import LinearOperator, eigsh

    model = workload.copy()
    parameters = [p for p in model.parameters() if p.requires_grad]

    def work(seed: int, maxiter: int | None = None) -> tuple[np.ndarray, int]:
        theirs = HessianLinearOperator(model, torch.nn.CrossEntropyLoss(), parameters,
                                       [(workload.x, workload.y)], check_deterministic=False)
        inner, products = theirs.to_scipy(), 0

        def product(v: np.ndarray) -> np.ndarray:
            nonlocal products
            products += 1
            return inner @ v.reshape(-1).astype("float32")

        start = np.random.default_rng(seed).standard_normal(inner.shape[0]).astype("float32")
        counting = LinearOperator(inner.shape, dtype="float32", matvec=product)
        values = eigsh(counting, K, which="LA", tol=TOLERANCE, v0=start,
                       return_eigenvectors=True)[0]
        return values, products

    inner = HessianLinearOperator(model, torch.nn.CrossEntropyLoss(), parameters,
                                  [(workload.x, workload.y)], check_deterministic=False).to_scipy()
    inner @ np.ones(inner.shape[0], dtype="float32")

    def measure(seed: int, truth: Figures) -> Figures:
        (values, products), cost = timed(lambda: work(seed))
        return cost | {"products": products} | _judged(values.tolist(), truth)

    return measure


def ours(workload: Workload) -> Measurement:
    """Lanczos, stopped by Ritz residuals."""
    from ngf_core.curvature import HessianOperator, top_eigenvalues

    warm = HessianOperator(workload.model, (workload.x, workload.y))
    warm @ torch.ones(warm.size)
    del warm

    def measure(seed: int, truth: Figures) -> Figures:
        def work():
            operator = HessianOperator(workload.model, (workload.x, workload.y))
            return top_eigenvalues(operator, K, tolerance=TOLERANCE, check=False,
                                   generator=torch.Generator().manual_seed(seed))

        pairs, cost = timed(work)
        return cost | {"products": pairs.products} | _judged(pairs.values.tolist(), truth)

    return measure


def _judged(values: list[float], truth: Figures) -> Figures:
    found = sorted(map(float, values), reverse=True)
    errors = [abs(f - t) / abs(t) for f, t in zip(found, truth["values"], strict=True)]
    return {"values": found, "error": max(errors)}


def lines(record: Record) -> list[Line]:
    """CPU seconds against both peers, and the error against pyhessian's."""
    def cost(peer: str) -> str:
        return (f"{seconds(record.median(peer, 'cpu'))}, {record.median(peer, 'products'):g} "
                f"products, error {record.median(peer, 'error'):.1e}")

    made = [Line("top-5 eigenvalues, CPU seconds", record.model, peer, cost(peer), cost("ours"),
                 record.median(peer, "cpu") / record.median("ours", "cpu"), goal,
                 record.range(peer, "ours", "cpu"), NOTE)
            for peer, goal in (("pyhessian", Goal(4, 6)), ("curvlinops", Goal(2)))]
    theirs, mine = record.median("pyhessian", "error"), record.median("ours", "error")
    made.insert(1, Line("top-5 eigenvalues, true error", record.model, "pyhessian",
                        f"{theirs:.1e}", f"{mine:.1e}", theirs / mine, Goal(10), None, NOTE))
    return made


CONTEST = Contest("top-5 eigenvalues", {"pyhessian": pyhessian, "curvlinops": curvlinops,
                                        "ours": ours}, lines, samples=200, truth=truth)
