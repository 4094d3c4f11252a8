"""Products with J^T M J, where J holds the derivatives of the outputs by the parameters."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.autograd.graph import get_gradient_edge

from ngf_core.curvature.operators.chunk_graphs import Product


def between_jacobians(outputs: Tensor, parameters: Sequence[Tensor],
                      middle: Callable[[Tensor], Tensor]) -> Product:
    """v -> J^T M J v, for M given by its products with tensors of the outputs' shape.

    J^T u is one backward pass. It is linear in u, so that its derivative by u, contracted with v,
    is J v: a second backward pass, through the graph of the first.
    """
    u = torch.zeros_like(outputs, requires_grad=True)
    pulled = torch.autograd.grad(outputs, parameters, u, create_graph=True, allow_unused=True)
    used = [i for i, part in enumerate(pulled) if part is not None]
    edges = [get_gradient_edge(pulled[i]) for i in used]

    def product(v: Sequence[Tensor]) -> Sequence[Tensor | None]:
        pushed, = torch.autograd.grad(edges, u, [v[i] for i in used], retain_graph=True)
        return torch.autograd.grad(outputs, parameters, middle(pushed), retain_graph=True,
                                   allow_unused=True)

    return product
