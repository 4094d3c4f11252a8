"""Dense float64 Hessians by torch.func: the independent truth for every Hessian product."""

import copy

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jvp
from torch.nn import functional


def dense_hessian(model: nn.Module, inputs: Tensor, targets: Tensor,
                  names: list[str] | None = None) -> Tensor:
    """d^2/dw^2 of the mean cross-entropy in float64, eval mode, (P, P), trainable or named w."""
    model = copy.deepcopy(model).double().eval()
    inputs = inputs.double() / 255 if inputs.dtype == torch.uint8 else inputs.double()
    every = {n: p.detach() for n, p in model.named_parameters()}
    chosen = [n for n, p in model.named_parameters()
              if (p.requires_grad if names is None else n in names)]
    sizes = [every[n].numel() for n in chosen]

    def loss(flat: Tensor) -> Tensor:
        parts = zip(chosen, flat.split(sizes), strict=True)
        weights = every | {n: part.reshape(every[n].shape) for n, part in parts}
        return functional.cross_entropy(functional_call(model, weights, (inputs,)), targets)

    # Forward over reverse, a column at a time: vmap makes slow grouped convolutions of tiny ones.
    flat = torch.cat([every[n].reshape(-1) for n in chosen])
    columns = torch.eye(len(flat), dtype=torch.float64)
    return torch.stack([jvp(grad(loss), (flat,), (column,))[1] for column in columns], 1)
