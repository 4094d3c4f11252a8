"""pyhessian 0.1 as a peer: its own code, repaired by our adapter, its products counted."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from ngf_core.curvature.pyhessian_check import old_eig

BLOCK = 5


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
    """Nodes and weights (probes, steps) of pyhessian's density."""
    with old_eig():
        nodes, weights = theirs.density(iter=steps, n_v=probes)
    return torch.tensor(nodes, dtype=torch.float64), torch.tensor(weights, dtype=torch.float64)
