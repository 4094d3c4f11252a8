"""Products with the Hessian of the mean loss."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.graph import get_gradient_edge

from ngf_core.curvature.operators.chunk_graphs import Product
from ngf_core.curvature.operators.loss_operator import LossOperator


class HessianOperator(LossOperator):
    """H = d^2 L / dw^2, see `LossOperator`.

    A graph is that of the chunk's gradient; a product is one backward pass through it (Pearlmutter,
    Neural Computation 6, 1994).
    """

    _derived_twice = True

    def _product(self, outputs: Tensor, targets: Tensor) -> Product:
        loss, parameters = self._loss(outputs, targets) * len(outputs), self._parameters
        gradient = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True)
        # Where a parameter does not enter the loss twice there is no graph: zero curvature.
        curved = [i for i, g in enumerate(gradient) if g is not None and g.requires_grad]
        # The gradient's numbers are not needed, only where its graph begins.
        edges = [get_gradient_edge(gradient[i]) for i in curved]

        def product(v: Sequence[Tensor]) -> Sequence[Tensor | None]:
            if not edges:
                return [None] * len(v)
            return torch.autograd.grad(edges, parameters, [v[i] for i in curved],
                                       retain_graph=True, allow_unused=True)

        return product
