"""Random directions in parameter space, filter-normalised.

Li, Xu, Taylor, Studer, Goldstein, "Visualizing the Loss Landscape of Neural Nets", 2018,
arXiv 1712.09913, section 4: a network with ReLU and BatchNorm computes the same function when its
filters are rescaled, so a step of fixed length means nothing. Scaling the direction filter by
filter to the weights makes the step relative: 1 moves each filter by its own norm.
"""

import torch
from torch import Tensor, nn

from ngf_core.errors import ConfigError, NGFError

Direction = dict[str, Tensor]
VECTORS = ("still", "scaled")


def random_direction(model: nn.Module, generator: torch.Generator,
                     vectors: str = "still") -> Direction:
    """A Gaussian direction over the trainable parameters, each filter as long as the model's.

    For filter j (row j of a convolution's or linear layer's weight, flattened):
    d_j = g_j / ||g_j|| * ||w_j||, g_j standard normal. A filter of norm zero gets zero.
    vectors: how tensors whose rows hold a single number move, which are vectors whatever their
    shape: biases and BatchNorm's weight and bias (C,), the lengths of weight normalisation (C, 1),
    layer scales (C, 1, 1), depthwise 1 x 1 weights (C, 1, 1, 1). "still": they get zero, as in the
    paper's figures. "scaled": each is taken as one filter, d = g / ||g|| * ||theta||; one that
    holds a single number stays still. Number by number they would become exactly +-theta, which is
    no random direction. Buffers, such as BatchNorm's running statistics, are not part of it.

    Returns name -> tensor, of each parameter's shape and dtype. Raises NGFError if nothing in the
    model is trainable, or a weight is not finite; ConfigError for an unknown choice.
    """
    if vectors not in VECTORS:
        raise ConfigError("vectors", f"{vectors!r} is unknown",
                          f"Choose one of {', '.join(VECTORS)}.")
    trainable = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    if not trainable:
        raise NGFError("The model has no trainable parameters, so it has no direction to move in. "
                       "Set requires_grad on the parameters the landscape should span.")
    return {name: _filter_normalised(name, p, generator, vectors) for name, p in trainable.items()}


def _filter_normalised(name: str, weight: Tensor, generator: torch.Generator,
                       vectors: str) -> Tensor:
    if not weight.isfinite().all():
        raise NGFError(f"The parameter {name} holds values that are not finite, so no direction "
                       "can be scaled to it. Choose a model whose training did not diverge.")
    rows = weight.flatten(1) if weight.dim() > 1 else weight.reshape(-1, 1)
    if rows.shape[1] == 1:  # a vector
        if vectors == "still" or weight.numel() == 1:
            return torch.zeros_like(weight)
        rows = rows.T
    # Drawn in float32 whatever the weight's dtype, so that a float64 audit of the same model with
    # the same seed has the same direction.
    noise = torch.randn(weight.shape, generator=generator, device=generator.device)
    noise = noise.to(weight.device, torch.float64).reshape(rows.shape)
    filters = rows.double()
    scale = filters.norm(dim=1, keepdim=True) / noise.norm(dim=1, keepdim=True)
    return (noise * scale).reshape(weight.shape).to(weight.dtype)
