"""Symmetric matrices with known eigenvalues, and what their spectra are exactly."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tests.support.seeded import seeded


@dataclass
class Matrix:
    """An explicit symmetric matrix as an operator that counts its products."""

    entries: Tensor
    products: int = field(default=0)

    @property
    def size(self) -> int:
        return len(self.entries)

    @property
    def dtype(self) -> torch.dtype:
        return self.entries.dtype

    @property
    def device(self) -> torch.device:
        return self.entries.device

    def matvec(self, v: Tensor) -> Tensor:
        self.products += 1
        return self.entries @ v


def with_spectrum(values: list[float] | Tensor, seed: int = 0) -> Matrix:
    """A float64 matrix with exactly these eigenvalues and random eigenvectors."""
    values = torch.as_tensor(values, dtype=torch.float64)
    q, _ = torch.linalg.qr(torch.randn(len(values), len(values), generator=seeded(seed),
                                       dtype=torch.float64))
    a = (q * values) @ q.T
    return Matrix((a + a.T) / 2)


def outliers(size: int = 200, seed: int = 0) -> Matrix:
    """Five outliers over a bulk in [-1, 1], the shape of a trained network's Hessian."""
    bulk = torch.linspace(-1, 1, size - 5, dtype=torch.float64)
    return with_spectrum(torch.cat([torch.tensor([100.0, 60, 40, 20, 10]).double(), bulk]), seed)


def descending(matrix: Tensor) -> Tensor:
    """All eigenvalues, largest first."""
    return torch.linalg.eigvalsh(matrix).flip(0)


def gaussians(eigenvalues: Tensor, grid: Tensor, width: float) -> Tensor:
    """The exact smoothed density (1/P) sum_i N(t; lambda_i, width^2)."""
    bumps = [torch.exp(-((grid - e) ** 2) / (2 * width**2)) for e in eigenvalues]
    return sum(bumps) / len(bumps) / math.sqrt(2 * math.pi * width**2)
