"""What a defender can measure of one layer on clean images; the rules judge by nothing else."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ngf_core.fisher.per_sample import tap
from ngf_core.fisher.rows import fisher_rows, is_last_layer
from ngf_core.fisher.softmax_head import SoftmaxHead, rows_fit
from ngf_core.layers.stations import Station
from ngf_core.layers.tune import Tuned
from ngf_core.purify.weights import assign, flat, only_trainable
from ngf_core.runs.events import finite

EIGENVALUES = 20
NUDGES = 4

# What costs something to measure: the layer's Fisher, random moves of its weights, a short tuning
# with the answers to held-out images, and the answers to changed ones.
SEEN = frozenset({"fisher", "nudges", "tuning", "changes"})


@dataclass(frozen=True)
class Probed:
    """What tuning did to the answers on one set of images, made from held-out clean ones.

    travel: mean KL(received || tuned) of the answers, in nats. loss, accuracy: of the tuned model
    at the true labels; accuracy_before: of the received one.
    """

    travel: float
    loss: float
    accuracy: float
    accuracy_before: float


@dataclass(frozen=True)
class LayerStatistics:
    """One layer of the received model, and what a short NGF does there; NaN where not measured.

    trace: Tr F of the layer's true Fisher on the clean set; eigenvalues: its largest. norm: |w|.
    sensitivity: rise of the held-out loss when w is moved by a tenth of its norm, mean over random
    directions. probed: by the name of the set; empty where nothing was tuned.
    """

    layer: str
    index: int
    depth: float
    parameters: int
    norm: float
    trace: float
    eigenvalues: tuple[float, ...]
    sensitivity: float
    probed: Mapping[str, Probed]

    def plain(self) -> dict[str, Any]:
        """As JSON values; None for what is not finite."""
        return finite(asdict(self))

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "LayerStatistics":
        """The statistics that `plain` wrote."""
        values: dict[str, Any] = {k: math.nan if v is None else v for k, v in plain.items()}
        probed = {name: Probed(**{k: math.nan if v is None else v for k, v in one.items()})
                  for name, one in values["probed"].items()}
        return cls(**values | {"eigenvalues": tuple(values["eigenvalues"]), "probed": probed})


def layer_statistics(station: Station, seed: int, nudged: str, labels: Tensor,
                     sees: frozenset[str] = SEEN) -> LayerStatistics:
    """The layer as received; `nudged` names the held-out images, which have these labels."""
    received = flat(list(station.layer.parameters()))
    values = fisher_eigenvalues(station, seed) if "fisher" in sees else torch.tensor([math.nan])
    rise = _rise(station, received, seed, nudged, labels) if "nudges" in sees else math.nan
    return LayerStatistics(station.name, station.index, station.depth, len(received),
                           float(received.norm()), float(values.sum()),
                           tuple(values[:EIGENVALUES].tolist()), rise, {})


def _rise(station: Station, received: Tensor, seed: int, nudged: str, labels: Tensor) -> float:
    parameters = list(station.layer.parameters())
    still, rises = _loss(station.logits(nudged), labels), []
    for k in range(NUDGES):
        generator = torch.Generator().manual_seed(seed * NUDGES + k)
        way = torch.randn(received.shape, generator=generator).to(received)
        assign(parameters, received + 0.1 * received.norm() * way / way.norm())
        rises.append(_loss(station.logits(nudged), labels) - still)
    assign(parameters, received)
    return sum(rises) / NUDGES


def fisher_eigenvalues(station: Station, seed: int) -> Tensor:
    """Eigenvalues, descending, of the layer's true Fisher on the clean set as it is.

    From one label per sample drawn from the model, except at a last layer of few classes, where it
    is exact.
    """
    generator = torch.Generator().manual_seed(seed)
    parameters = list(station.layer.parameters())
    only_trainable(station.network, parameters)
    parts, heads, count = [], [], len(station.batches.clean)
    for x, y in station.batches.whole():
        tapped = tap(station.network, station.layer, x)
        rows = count * tapped.logits.shape[1]
        if is_last_layer(tapped) and not rows_fit(rows, sum(p.numel() for p in parameters)):
            heads.append(SoftmaxHead.of(tapped))
        else:
            part = fisher_rows("true", tapped, y, generator)
            parts.append(part.detach() * (len(y) / count) ** 0.5)
    gram = SoftmaxHead.joined(heads).drawn_gram(generator) if heads else _gram(torch.cat(parts))
    return torch.linalg.eigvalsh(gram).flip(0).clamp(min=0)


def _gram(rows: Tensor) -> Tensor:
    """R R^T or R^T R in float64, whichever is smaller."""
    rows = rows.double()
    return rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows


def probed(tuned: Tuned, received: Mapping[str, Tensor], labels: Tensor) -> dict[str, Probed]:
    """What one tuning did to each set of `received` logits; the labels repeat in each set."""
    found = {}
    for name, before in received.items():
        after, y = tuned.logits[name], labels.repeat(len(before) // len(labels))
        travel = F.kl_div(after.log_softmax(1), before.log_softmax(1), reduction="batchmean",
                          log_target=True)
        found[name] = Probed(float(travel), _loss(after, y), _accuracy(after, y),
                             _accuracy(before, y))
    return found


def _loss(logits: Tensor, labels: Tensor) -> float:
    return float(F.cross_entropy(logits, labels.repeat(len(logits) // len(labels))))


def _accuracy(logits: Tensor, labels: Tensor) -> float:
    return float((logits.argmax(1) == labels).double().mean())
