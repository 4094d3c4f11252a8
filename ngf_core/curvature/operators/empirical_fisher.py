"""Products with the empirical Fisher matrix."""

import torch
from torch import Tensor

from ngf_core.curvature.operators.chunk_graphs import Product
from ngf_core.curvature.operators.jacobian import between_jacobians
from ngf_core.curvature.operators.loss_operator import LossOperator


class EmpiricalFisherOperator(LossOperator):
    """E = (1/n) sum_i g_i g_i^T, with g_i = dl_i/dw = J_i^T r_i and r_i = dl_i/dz_i.

    The gradients are those of the given targets, so E vanishes where the samples are fitted, and is
    in general no approximation of the Fisher matrix (Kunstner, Balles and Hennig, NeurIPS 2019,
    arXiv 1905.12558). Assumes what `LossOperator` requires of any loss: that it is the mean over
    the samples, L = (1/n) sum_i l_i, where l_i depends on sample i alone.
    """

    def _product(self, outputs: Tensor, targets: Tensor) -> Product:
        z = outputs.detach().requires_grad_()
        r = torch.autograd.grad(self._loss(z, targets) * len(z), z)[0].reshape(len(z), -1)

        def middle(u: Tensor) -> Tensor:
            along = (r * u.reshape(r.shape)).sum(1, keepdim=True)
            return (r * along).reshape(u.shape)

        return between_jacobians(outputs, self._parameters, middle)
