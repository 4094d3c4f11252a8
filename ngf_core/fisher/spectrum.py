"""The spectrum of one layer's Fisher matrix."""

import torch
from torch import Tensor, nn

from ngf_core.fisher.per_sample import tap
from ngf_core.fisher.rows import fisher_rows


def layer_fisher_spectrum(model: nn.Module, layer: nn.Module, x: Tensor, y: Tensor,
                          kind: str = "true", seed: int = 0) -> Tensor:
    """Eigenvalues (descending, min(r, P) of them) of the layer's Fisher matrix F = R^T R over x.

    F's nonzero eigenvalues are those of the small Gram matrix R R^T (or R^T R, whichever is
    smaller); all others are zero. Model and layer must be set up as for `tap`.
    """
    rows = fisher_rows(kind, tap(model, layer, x), y, torch.Generator().manual_seed(seed)).double()
    gram = rows @ rows.T if rows.shape[0] < rows.shape[1] else rows.T @ rows
    return torch.linalg.eigvalsh(gram).flip(0).clamp(min=0)
