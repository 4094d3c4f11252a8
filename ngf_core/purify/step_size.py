"""The step size of a method, chosen on the clean images alone.

A fifth of the clean set is held out, and the method tunes copies of the model on the rest, once
with each of FACTORS times the given step size; the lowest mean loss on the images held out, under
the augmentation used for tuning, wins, and the method then tunes on the whole clean set. That is
the ordinary rule of model selection. It cannot see a backdoor: removing one may cost clean loss, so
the size chosen need not be the one that removes it best.
"""

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ngf_core.errors import ConfigError
from ngf_core.purify.batches import CleanBatches, CleanSet
from ngf_core.purify.budget import Budget
from ngf_core.purify.settings import MethodSettings
from ngf_core.purify.step import Diverged, Purifier, Step

FACTORS = (0.1, 0.3, 1.0, 3.0)
HELD_OUT = 5  # one image in so many
DRAWS = 8


def with_step_size(tune: Purifier) -> Purifier:
    """`tune`, which first chooses the step size of its settings where they request it.

    The cost of the choice is in the seconds of its steps (each trial has an equal share of a limit
    of seconds), not in their passes; the first step reports it: {"step_size": {"field", "chosen",
    "losses": [[size, loss or None], ...], "held_out", "passes", "seconds"}}, None where a trial
    diverged. Batches already prepared cannot be split and are tuned on at the given size. Raises
    ConfigError for a clean set too small to hold some out, Diverged where all trials did.
    """
    def purify(model: nn.Module, clean: CleanSet, own: Any, budget: Budget) -> Iterator[Step]:
        own = own.for_model(model)
        if not own.chooses_step_size or isinstance(clean, CleanBatches):
            yield from tune(model, clean, own, budget)
            return
        began = time.perf_counter()
        choice = _chosen(tune, model, clean, own, budget)
        spent = time.perf_counter() - began
        found = {"step_size": choice | {"seconds": round(spent, 3)}}
        own = replace(own, **{own.step_size_of: choice["chosen"]})
        for step in tune(model, clean, own, _trial_of(budget)):
            yield replace(step, seconds=step.seconds + spent, found=found | (step.found or {}))
            found = {}

    return purify


def _chosen(tune: Purifier, model: nn.Module, clean: CleanSet, own: MethodSettings, budget: Budget
            ) -> dict[str, Any]:
    """What was tried, and the size of the lowest held-out loss."""
    if len(clean) < HELD_OUT:
        raise ConfigError(f"{own.method}.step_size",
                          f"none can be chosen with {len(clean)} clean images",
                          f"Use at least {HELD_OUT}, or step_size=given.")
    order = torch.randperm(len(clean), generator=torch.Generator().manual_seed(budget.seed))
    first, others = order.tensor_split([len(clean) // HELD_OUT])
    held_out, rest = clean.take(first), clean.take(others)
    field, trial_budget = own.step_size_of, _trial_of(budget)
    losses: list[tuple[float, float | None]] = []
    passes = 0
    for size in _sizes(own):
        trial, spent, loss = copy.deepcopy(model), 0, None
        try:
            for step in tune(trial, rest, replace(own, **{field: size}), trial_budget):
                spent = step.step
                if 0 < trial_budget.seconds <= step.seconds:
                    break
            loss = _loss(trial, held_out, trial_budget)
        except Diverged:
            pass
        losses, passes = [*losses, (size, loss)], passes + spent
    tried = [(loss, size) for size, loss in losses if loss is not None]
    if not tried:
        raise Diverged(f"No {field} from {losses[0][0]:g} to {losses[-1][0]:g} kept the loss "
                       "finite. Give a smaller one.")
    return {"field": field, "chosen": min(tried)[1], "losses": [list(pair) for pair in losses],
            "held_out": len(held_out), "passes": passes}


def _sizes(own: MethodSettings) -> list[float]:
    """FACTORS times the given size to six digits, within the field's bounds, ascending."""
    bounds = next(f.metadata for f in fields(own) if f.name == own.step_size_of)
    given = getattr(own, own.step_size_of)
    wanted = [float(f"{given * factor:.6g}") for factor in FACTORS]
    return sorted({min(max(size, bounds["low"]), bounds["high"]) for size in wanted})


def _trial_of(budget: Budget) -> Budget:
    """The budget of one tuning; trials and final tuning share a limit of seconds equally."""
    return replace(budget, seconds=budget.seconds / (len(FACTORS) + 1))


def _loss(model: nn.Module, images: CleanSet, budget: Budget) -> float | None:
    """The mean cross-entropy over some draws of the augmentation; None where it is not finite."""
    device = next(model.parameters()).device
    batches = CleanBatches(images, replace(budget, batch_size=max(2, len(images)), pool=0), device)
    draws = 1 if batches.budget.augment == "none" else DRAWS
    with torch.no_grad():
        mean = sum(F.cross_entropy(model.eval()(x), y).item()
                   for x, y in map(batches, range(draws))) / draws
    return mean if math.isfinite(mean) else None
