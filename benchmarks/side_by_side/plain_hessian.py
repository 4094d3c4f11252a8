"""The textbook Hessian product: the reference for all peers, used by none of them."""

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.side_by_side.workload import Workload


class PlainHessian:
    """H v of the mean cross-entropy: the gradient of (gradient . v), in float64 by default."""

    def __init__(self, workload: Workload, dtype: torch.dtype = torch.float64) -> None:
        model = workload.copy().to(dtype).eval()
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.size = sum(p.numel() for p in self.parameters)
        self.dtype, self.products = dtype, 0
        loss = F.cross_entropy(model(workload.x.to(dtype)), workload.y)
        self._gradient = torch.cat([g.reshape(-1) for g in torch.autograd.grad(
            loss, self.parameters, create_graph=True)])

    def matvec(self, v: Tensor) -> Tensor:
        """H v, shape (P,)."""
        self.products += 1
        parts = torch.autograd.grad(self._gradient @ v.to(self.dtype), self.parameters,
                                    retain_graph=True)
        return torch.cat([part.reshape(-1) for part in parts])
