"""A symmetric operator seen in rescaled coordinates."""

import torch
from torch import Tensor

from ngf_core.curvature.operators.operator import SymmetricOperator
from ngf_core.errors import ConfigError


class ScaledOperator:
    """D A D with D = diag(scale), for any symmetric operator A (P, P): one product with A each.

    With scale = |w| and A the Hessian it is the curvature in relative changes of the weights.
    Raises ConfigError for a scale of another shape.
    """

    def __init__(self, operator: SymmetricOperator, scale: Tensor) -> None:
        if scale.shape != (operator.size,):
            raise ConfigError("scale", f"its shape is {tuple(scale.shape)}",
                              f"Give a vector of shape ({operator.size},).")
        self._operator, self._scale = operator, scale.detach().to(operator.dtype)
        self.size, self.dtype = operator.size, operator.dtype
        self.products = 0  # with A, so far

    @property
    def device(self) -> torch.device:
        """Where its products are computed."""
        return getattr(self._operator, "device", self._scale.device)

    def matvec(self, v: Tensor) -> Tensor:
        """D A D v, shape (P,)."""
        self.products += 1
        scale = self._scale.to(v.device)
        return scale * self._operator.matvec(scale * v)

    def __matmul__(self, v: Tensor) -> Tensor:
        return self.matvec(v)
