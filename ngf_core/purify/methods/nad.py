"""NAD, neural attention distillation (Li et al., ICLR 2021, arXiv 2101.05930).

The teacher is the received model fine-tuned on the clean images, the student the received model:

    A(x) = sum_c |F_c(x)|^p, divided by its norm         attention of a map F (C, H, W), p = 2
    L    = CE + sum_l beta_l mean (A_l(student) - A_l(teacher))^2

The maps: the outputs of the last block at each of the three lowest resolutions (the groups of a
Wide ResNet, as published); in a network without blocks, of the last single layer there. Where all
maps have one resolution, as in a transformer, those of the blocks after one, two and three thirds
of the depth.

Published (BackdoorBench): 10 epochs for the teacher, 100 for the student, lr 0.01, momentum 0.9,
decay 5e-4, beta 500, 1000, 1000. The authors' code has 20 epochs for the student, lr 0.1 and beta
0, 0, 5000. Here the rate is that of fine-tuning (adapted). The teacher takes a third of the passes,
during which the model itself does not change (the steps' loss is the teacher's), and an update of
the student counts as 4/3 passes: its own and the teacher's forward pass. The authors' code keeps
the weights that do best on test images; here the last ones stay.
"""

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.errors import ConfigError
from ngf_core.purify.batches import CleanBatches, CleanSet
from ngf_core.purify.budget import Budget
from ngf_core.purify.descent import prepare, tune
from ngf_core.purify.settings.nad import NAD
from ngf_core.purify.step import Step, Stopwatch, part_of


def nad(model: nn.Module, clean: CleanSet, own: NAD, budget: Budget) -> Iterator[Step]:
    """Tune the whole network; Diverged where a loss is no longer finite.

    Raises ConfigError for a network without maps of more than one position.
    """
    tuned = list(model.parameters())
    batches = CleanBatches(clean, budget, tuned[0].device)
    places = attended(model, batches(0)[0][:1])
    weights = (own.beta1, own.beta2, own.beta3)[-len(places):]
    watch = Stopwatch()
    prepare(model, tuned, batches, watch)
    teacher, taught = copy.deepcopy(model), int(own.teacher * budget.steps)
    sgd = partial(tune, lr=own.lr, weight_decay=own.weight_decay)

    def fine_tuning(x: Tensor, y: Tensor) -> Tensor:
        loss = F.cross_entropy(teacher(x), y)
        loss.backward()
        return loss.detach()

    spent = 0
    if taught:
        short = replace(batches, budget=part_of(budget, own.teacher, taught))
        for step in sgd("NAD's teacher", list(teacher.parameters()), fine_tuning, short,
                        lambda k: k, watch):
            spent = step.step
            yield step
    teacher.requires_grad_(False)

    def distilling(x: Tensor, y: Tensor) -> Tensor:
        logits, seen = maps(model, places, x)
        _, wanted = maps(teacher, places, x)
        loss = F.cross_entropy(logits, y)
        apart = sum(beta * F.mse_loss(attention(s, own.p), attention(t, own.p))
                    for beta, s, t in zip(weights, seen, wanted, strict=True))
        (loss + apart).backward()
        return loss.detach()

    yield from sgd("NAD", tuned, distilling, batches, lambda k: spent + math.ceil(4 * k / 3),
                   watch, first=spent)


def attention(seen: Tensor, p: float) -> Tensor:
    """A, (n, positions), of maps (n, C, H, W) or tokens (n, T, C)."""
    channels_last = seen.flatten(2).transpose(1, 2) if seen.ndim == 4 else seen
    summed = channels_last.abs().pow(p).sum(2)
    return summed.div(summed.norm(dim=1, keepdim=True) + 1e-6)


def maps(model: nn.Module, places: Sequence[str], x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The logits, and the outputs of the modules named `places`."""
    seen: dict[str, Tensor] = {}
    handles = [model.get_submodule(name).register_forward_hook(
        lambda _, __, out, name=name: seen.__setitem__(name, out)) for name in places]
    try:
        logits = model(x)
    finally:
        for handle in handles:
            handle.remove()
    return logits, [seen[name] for name in places]


def attended(model: nn.Module, x: Tensor) -> list[str]:
    """Names of the modules whose outputs on x are compared (see above), at most three, in order."""
    resolution: dict[str, tuple[int, ...]] = {}
    handles = []

    def keep(name: str, out: object) -> None:
        if isinstance(out, Tensor) and out.ndim in (3, 4):
            positions = tuple(out.shape[2:] if out.ndim == 4 else out.shape[1:2])
            if math.prod(positions) > 1:
                resolution[name] = positions

    for name, module in model.named_modules():
        if name:
            handles.append(module.register_forward_hook(
                lambda _, __, out, name=name: keep(name, out)))
    kept = model.training
    try:
        with torch.no_grad():
            model.eval()(x)
    finally:
        model.train(kept)
        for handle in handles:
            handle.remove()
    blocks = [name for name in resolution if _is_block(model.get_submodule(name))]
    names = blocks or [name for name in resolution
                       if not any(True for _ in model.get_submodule(name).children())]
    if not names:
        raise ConfigError("methods", "NAD compares attention maps, and this network has none",
                          "Use finetune or ft_sam.")
    last = {resolution[name]: name for name in names}
    if len(last) > 1:
        return list(last.values())[-3:]
    return list(dict.fromkeys(names[math.ceil(len(names) * k / 3) - 1] for k in (1, 2, 3)))


def _is_block(module: nn.Module) -> bool:
    return not isinstance(module, nn.Sequential) and any(True for _ in module.children())
