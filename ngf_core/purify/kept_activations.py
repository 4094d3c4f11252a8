"""What the tuned layers see, computed once: tuning them needs no pass through what lies before.

Nothing in front of the tuned layers changes while they are tuned: BatchNorm is fixed and the other
weights are not trained. Where the images do not change either (no augmentation, or a pool of
augmented copies), a step on what crosses the cut in front of them costs what the rest of the
network costs, and gives the same numbers as a step on images.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor, fx, nn

from ngf_core.data.floats import as_floats
from ngf_core.models.cut import Crossing, Cut, Walk, cut
from ngf_core.models.graph import trace
from ngf_core.purify.batches import CleanBatches

# Bytes that kept activations may take.
MEMORY = 1e9


@dataclass(frozen=True)
class KeptBatches(CleanBatches):
    """Clean batches as they cross a cut: `pool` of the images that steps draw from, `plain` of the
    clean set as it is. The network that takes them is the cut's `rest`."""

    pool: Crossing
    plain: Crossing

    # The cut's rest, which these are for, takes what crosses, and not images.
    def __call__(self, step: int) -> tuple[Crossing, Tensor]:  # type: ignore[override]
        """What crosses, and the labels of one step."""
        rows = self.rows(step).to(self.device)
        labels = self.clean.y.to(self.device)
        return tuple(t[rows] for t in self.pool), labels[rows % len(self.clean)]

    def whole(self) -> Iterator[tuple[Crossing, Tensor]]:  # type: ignore[override]
        """The clean set as it is, in its order and in parts of a batch's size."""
        size = self.budget.batch_size
        for i in range(0, len(self.clean), size):
            yield (tuple(t[i : i + size] for t in self.plain),
                   self.clean.y[i : i + size].to(self.device))


def tuned_network(model: nn.Module, tuned: Sequence[nn.Module], batches: CleanBatches
                  ) -> tuple[nn.Module, CleanBatches]:
    """What a step runs and on what: the network behind the cut in front of the `tuned` layers on
    kept activations, where images are fixed and the model can be cut; else the model on images.

    The rest shares the model's layers. Call it once BatchNorm is as it will stay.
    """
    if isinstance(batches, KeptBatches) or not batches.copies:
        return model, batches
    graph = trace(model)
    found = cut(graph, tuned, batches.fixed.to(batches.device))
    if graph is None or found is None:
        return model, batches
    kept = keep(batches, walks(graph, [found], batches), found)
    return (model, batches) if kept is None else (found.rest, kept)


def walks(graph: fx.GraphModule, cuts: Sequence[Cut], batches: CleanBatches) -> list[Walk]:
    """The walks from cut to cut that `keep` needs: of the pool, and of the clean set as it is where
    that differs."""
    sets = [batches.fixed]
    if batches.budget.augment != "none":
        sets.append(as_floats(batches.clean.x))
    return [Walk(graph, cuts, images.to(batches.device), limit=MEMORY) for images in sets]


def keep(batches: CleanBatches, walks: list[Walk], cut: Cut) -> KeptBatches | None:
    """The batches at `cut`, the next one of the `walks`; None where they exceed the memory."""
    crossing = [walk.at(cut) for walk in walks]
    pool, plain = crossing[0], crossing[-1]
    if pool is None or plain is None:
        return None
    return KeptBatches(batches.clean, batches.budget, batches.device, pool, plain)
