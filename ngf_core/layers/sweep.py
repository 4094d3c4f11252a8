"""All layers of a model, measured and tuned one after another, on a clean set split in two.

Four fifths of the clean images tune; the last fifth judges the effect, unchanged and changed in
ways that need no knowledge of the attack. Neither a trigger nor a test image is needed.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ngf_core.data.augment import augment
from ngf_core.data.floats import as_floats
from ngf_core.errors import ConfigError, NGFError
from ngf_core.layers.perturb import probes
from ngf_core.layers.stations import Station
from ngf_core.layers.statistics import SEEN, LayerStatistics, layer_statistics, probed
from ngf_core.layers.tune import Tuned, stations_of, tune
from ngf_core.purify.batches import CleanSet, settled
from ngf_core.purify.budget import Budget
from ngf_core.purify.settings import LayerSettings

DRAWS = 2


@dataclass(frozen=True)
class SweptLayer:
    """One layer: the statistics that rules may use, and the result of each method."""

    statistics: LayerStatistics
    tuned: tuple[Tuned, ...]


def sweep(model: nn.Module, clean: CleanSet, budget: Budget, methods: Sequence[LayerSettings],
          images: Mapping[str, Tensor] | None = None,
          between: Callable[[], object] = lambda: None, sees: frozenset[str] = SEEN,
          without: Collection[str] = ()) -> Iterator[SweptLayer]:
    """Every layer from input to output; the first method's effect is in its statistics. A layer
    that cannot be tuned (the model's answers do not depend on it) is skipped.

    model: is left with BatchNorm as `budget` sets it, and otherwise as received. images: further
    sets whose logits `Tuned` is to hold. between: called after every update. sees: which statistics
    are measured. without: layers that are passed over. Raises ConfigError for fewer than five clean
    images, NGFError for a model whose answers to them are not finite.
    """
    budget = settled(budget, clean)
    tuning, judging = split(clean)
    own = _judged(judging, budget, "changes" in sees)
    labels = judging.y.to(next(model.parameters()).device)
    received: dict[str, Tensor] = {}
    for station in stations_of(model, tuning, budget, own | dict(images or {})):
        received = received or {name: _answers(station, name) for name in own}
        if station.name in without:
            continue
        try:
            seen = layer_statistics(station, budget.seed, "augmented", labels, sees)
            results = [tune(station, method, budget, between, "fisher" in sees)
                       for method in methods]
        except ConfigError as error:
            if error.field != "layer":
                raise
            continue
        if results:
            seen = replace(seen, probed=probed(results[0], received, labels))
        yield SweptLayer(seen, tuple(results))


def _answers(station: Station, images: str) -> Tensor:
    """The logits as received; NGFError where they are not finite."""
    logits = station.logits(images)
    if not torch.isfinite(logits).all():
        raise NGFError("The model's answers to clean images are not finite numbers, so no layer "
                       "can be judged. Train it again, or restore its weights.")
    return logits


def split(clean: CleanSet) -> tuple[CleanSet, CleanSet]:
    """The images that tune, and the fifth that judges; ConfigError for fewer than five."""
    judging = len(clean) // 5
    if not judging:
        raise ConfigError("clean_fraction", f"{len(clean)} clean images cannot be split",
                          "Give at least five, or name the layer.")
    return clean.take(slice(judging, None)), clean.take(slice(0, judging))


def _judged(judging: CleanSet, budget: Budget, changed: bool) -> dict[str, Tensor]:
    x = as_floats(judging.x)
    generator = torch.Generator().manual_seed(budget.seed)
    several = [augment(budget.augment, judging.x, generator) for _ in range(2 * DRAWS)]
    own = {"clean": x, "augmented": torch.cat(several)}
    return own | probes(x, DRAWS, budget.seed) if changed else own
