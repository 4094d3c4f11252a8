"""pyhessian 0.1 as a peer: its own code, repaired as our adapter does, its products counted."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from benchmarks.side_by_side.subject import Subject
from ngf_core.curvature.pyhessian_check import _pyhessian

BLOCK = 5


@contextmanager
def repaired(subject: Subject, seed: int) -> Iterator[Any]:
    """pyhessian's `hessian` of the subject, with a cached graph (its fastest way)."""
    with _pyhessian(subject.model, subject.x, subject.y, seed) as theirs:
        yield theirs


@contextmanager
def counted() -> Iterator[list[int]]:
    """A list whose one number is the Hessian products that pyhessian has made inside."""
    import pyhessian  # noqa: F401  (its submodule is shadowed by the class of the same name)

    module, products = sys.modules["pyhessian.hessian"], [0]
    product = module.hessian_vector_product

    def counting(*arguments: Any) -> Any:
        products[0] += 1
        return product(*arguments)

    with patch.object(module, "hessian_vector_product", counting):
        yield products


def hutchinson(theirs: Any, relative_error: float, at_least: int = 10,
               at_most: int = 5000) -> list[float]:
    """pyhessian's trace samples, called in fives until their standard error is small enough.

    Its own rule stops when two running means agree, which says nothing about the error.
    """
    samples: list[float] = []
    while len(samples) < at_most:
        samples += theirs.trace(maxIter=BLOCK, tol=-math.inf)
        found = torch.tensor(samples, dtype=torch.float64)
        error = float(found.std()) / math.sqrt(len(found))
        if len(samples) >= at_least and error <= relative_error * abs(float(found.mean())):
            break
    return samples


def density_nodes(theirs: Any, steps: int, probes: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights (probes, steps) of pyhessian's density.

    It calls torch.eig, which torch no longer has; `eigh` gives the same of a symmetric matrix.
    """
    def eig(matrix: Tensor, eigenvectors: bool = True) -> tuple[Tensor, Tensor]:
        values, vectors = torch.linalg.eigh(matrix)
        return torch.stack([values, torch.zeros_like(values)], 1), vectors

    with patch.object(torch, "eig", eig, create=True):
        nodes, weights = theirs.density(iter=steps, n_v=probes)
    return torch.tensor(nodes, dtype=torch.float64), torch.tensor(weights, dtype=torch.float64)
