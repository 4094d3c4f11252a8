"""The spectrum of the Fisher matrix of a layer, or of several."""

import copy
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ngf_core.curvature.operators.last_layer import LARGEST_DENSE, LastLayer
from ngf_core.errors import ConfigError
from ngf_core.fisher.per_sample import per_sample_outer, tap
from ngf_core.fisher.rows import drawn_labels, fisher_rows, is_last_layer
from ngf_core.fisher.softmax_head import SoftmaxHead

# Bytes for per-sample gradients, and for the small matrix, each.
MEMORY = 1_000_000_000
# Samples of one forward and backward pass.
BATCH = 500


def layer_fisher_spectrum(model: nn.Module, layers: nn.Module | Sequence[nn.Module], x: Tensor,
                          y: Tensor, kind: str = "true", seed: int = 0,
                          memory: float = MEMORY) -> Tensor:
    """Eigenvalues (descending, min(r, P) of them) of the layers' Fisher matrix F = R^T R over x.

    F's nonzero eigenvalues are those of the small Gram matrix R R^T (or R^T R, whichever is
    smaller); all others are zero. The r rows are never held as a whole: R R^T is a sum over blocks
    of the layer's output channels, R^T R over batches of samples, and the last layer's true Fisher
    has a closed form. Of several layers R R^T is the sum over them, all at the same labels. Model
    and layers must be set up as for `tap`.

    memory: bytes for the rows of a block, and for the small matrix. Raises ConfigError where the
    small matrix alone is larger, and what `tap` raises.
    """
    layers = [layers] if isinstance(layers, nn.Module) else list(layers)
    layer, alone = layers[0], len(layers) == 1
    seen = tap(model, layer, x[:BATCH])
    size = sum(p.numel() for each in layers for p in each.parameters())
    last = kind == "true" and alone and is_last_layer(seen)
    rows = len(x) * (seen.logits.shape[1] if last else 1)
    small = min(rows, size) if alone else rows
    if 8 * small**2 > memory:
        raise ConfigError("samples", f"{rows} rows of {size} numbers need a matrix of "
                          f"{8 * small**2:.2g} bytes, above {memory:.2g}",
                          f"Take at most {int((memory / 8) ** 0.5 * len(x) / rows)} samples.")
    del seen
    if last and size <= LARGEST_DENSE:
        gram = LastLayer.of(model, layer, zip(x.split(BATCH), y.split(BATCH), strict=True)).dense()
        gram = gram.double()
    elif last and rows < size:
        gram = SoftmaxHead.joined([SoftmaxHead.of(tap(model, layer, part))
                                   for part in x.split(BATCH)]).gram()
    elif alone and (last or rows >= size):
        gram = x.new_zeros(size, size, dtype=torch.float64)
        for part in _batched_rows(model, layer, x, y, kind, _seeded(seed), memory,
                                  size * rows // len(x)):
            gram += part.T @ part
    else:
        gram = reduce(torch.add, (
            _sample_gram(model, each, x, y, kind, seed, memory) for each in layers))
    values: Tensor = torch.linalg.eigvalsh(gram)
    return values.flip(0).clamp(min=0)[:min(rows, size)]


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _batched_rows(model: nn.Module, layer: nn.Module, x: Tensor, y: Tensor, kind: str,
                  generator: torch.Generator, memory: float, size: int) -> Iterator[Tensor]:
    """Rows of some samples at a time, scaled for all of them; size: numbers of one sample's."""
    batch = max(1, min(BATCH, int(memory / (12 * size))))
    for part, labels in zip(x.split(batch), y.split(batch), strict=True):
        rows = fisher_rows(kind, tap(model, layer, part), labels, generator).double()
        yield rows * (len(part) / len(x)) ** 0.5


def _sample_gram(model: nn.Module, layer: nn.Module, x: Tensor, y: Tensor, kind: str, seed: int,
                 memory: float) -> Tensor:
    """R R^T (n, n) float64, of one label per sample. Raises ConfigError where the rows of a layer
    that has no blocks exceed `memory`."""
    generator, size = _seeded(seed), sum(p.numel() for p in layer.parameters())
    inputs: list[Tensor] = []
    found: list[Tensor] = []  # gradients of -log p(label) / sqrt(n): in the outputs, or the rows
    for part, labels in zip(x.split(BATCH), y.split(BATCH), strict=True):
        seen = tap(model, layer, part)
        if seen.through is not None and 12 * size * len(x) > memory:
            raise ConfigError("samples", f"{len(x)} rows of {size} numbers of a "
                              f"{type(layer).__name__} that does not run as torch's own need "
                              f"{12 * size * len(x):.2g} bytes, above {memory:.2g}",
                              f"Take at most {int(memory / (12 * size))} samples.")
        if kind == "true":
            labels = drawn_labels(seen, generator)
        losses = functional.cross_entropy(seen.logits, labels, reduction="none") / len(x) ** 0.5
        if seen.through is not None:
            found.append(seen.gradients(losses))
            continue
        inputs.append(seen.input)
        found += torch.autograd.grad(losses.sum(), seen.output)
    if inputs:
        return _gram_by_blocks(torch.cat(inputs), torch.cat(found), layer, memory)
    rows = torch.cat(found).double()
    return rows @ rows.T


def _gram_by_blocks(a: Tensor, dz: Tensor, layer: nn.Module, memory: float) -> Tensor:
    """R R^T (n, n) float64, summed over blocks of output channels whose rows fit in `memory`."""
    dimension = -1 if isinstance(layer, nn.Linear) else 1
    outputs, n = dz.shape[dimension], len(a)
    grouped = getattr(layer, "groups", 1) > 1  # such rows are short, and blocks would cut groups
    each = sum(p.numel() for p in layer.parameters()) / outputs * n * 12
    block = outputs if grouped else max(1, min(outputs, int(memory / each)))
    gram = a.new_zeros(n, n, dtype=torch.float64)
    for start in range(0, outputs, block):
        part = dz.narrow(dimension, start, min(block, outputs - start))
        rows = per_sample_outer(_only(layer, start, start + block), a, part).double()
        gram += rows @ rows.T
    return gram


def _only(layer: nn.Module, start: int, stop: int) -> nn.Module:
    """A copy of the layer with these output channels alone."""
    if start == 0 and stop >= len(layer.get_parameter("weight")):
        return layer
    part = copy.copy(layer)
    views: dict[str, Any] = {name: None if p is None else p[start:stop]
                             for name, p in layer._parameters.items()}
    part._parameters = views
    return part
