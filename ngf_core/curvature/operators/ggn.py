"""Products with the generalised Gauss-Newton matrix."""

import torch
from torch import Tensor

from ngf_core.curvature.operators.chunk_graphs import Product
from ngf_core.curvature.operators.jacobian import between_jacobians
from ngf_core.curvature.operators.loss_operator import LossOperator


class GGNOperator(LossOperator):
    """G = (1/n) sum_i J_i^T (d^2 l / dz_i^2) J_i, with J_i = df_w(x_i) / dw; see `LossOperator`.

    The Hessian without the curvature of the network itself: positive semidefinite where the loss is
    convex in the outputs z. For any twice differentiable loss. (Schraudolph, Neural Computation
    14, 2002.)
    """

    def _product(self, outputs: Tensor, targets: Tensor) -> Product:
        z = outputs.detach().requires_grad_()
        slope, = torch.autograd.grad(self._loss(z, targets) * len(z), z, create_graph=True)

        def middle(u: Tensor) -> Tensor:
            if not slope.requires_grad:
                return torch.zeros_like(u)
            return torch.autograd.grad(slope, z, u, retain_graph=True, materialize_grads=True)[0]

        return between_jacobians(outputs, self._parameters, middle)
