"""What the spectral algorithms need of a symmetric matrix: its size, and products with it."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from ngf_core.errors import ConfigError

Progress = Callable[[int, int], None]


class SymmetricOperator(Protocol):
    """A symmetric P x P matrix that is given by its products only."""

    size: int
    dtype: torch.dtype

    @property
    def device(self) -> torch.device:
        """Where its products are computed."""

    def matvec(self, v: Tensor) -> Tensor:
        """The matrix times `v`, both of shape (P,)."""


def check_count(name: str, value: int, low: int, high: int | None = None) -> None:
    """Raise ConfigError unless `value` is a whole number from `low` to `high`."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < low or (high is not None and value > high):
        wanted = f"of {low} or more" if high is None else f"from {low} to {high}"
        raise ConfigError(name, f"{value!r} is out of range", f"Use a whole number {wanted}.")
