"""Training a benign or backdoored model.

SGD with Nesterov momentum 0.9 under one cycle of the learning rate, channels-last; bf16 autocast
where the processor has matrix units for it. Images are not augmented: the signs are drawn under
every shift and turn already, flips would change what signs and digits mean, and a crop would cut
corner triggers off some poisoned images and not others.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.attacks.attack import Attack
from ngf_core.config import TrainConfig
from ngf_core.data.dataset import Images


@dataclass(frozen=True)
class Epoch:
    """One finished epoch: its number from 1, mean training loss, training seconds so far.

    `poisoned` are the sorted indices that carried the trigger in it (empty for benign training).
    """

    epoch: int
    loss: float
    seconds: float
    poisoned: Tensor


def resolve_precision(name: str, device: torch.device) -> str:
    """`float32` or `bf16`: what `auto` means on this device."""
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "float32"
    return "bf16" if torch.cpu._is_amx_tile_supported() else "float32"


def train(model: nn.Module, images: Images, attack: Attack | None, config: TrainConfig,
          device: torch.device) -> Iterator[Epoch]:
    """Train `model` in place, one epoch an iteration.

    The attack poisons the set once, or anew every epoch where it controls training. After the
    last epoch the model is in eval mode.
    """
    generator = torch.Generator().manual_seed(config.seed)
    bf16 = resolve_precision(config.precision, device) == "bf16"
    model.to(device, memory_format=torch.channels_last)
    batches = -(-len(images) // config.batch_size)
    optimiser = torch.optim.SGD(model.parameters(), config.lr, momentum=0.9, nesterov=True,
                                weight_decay=config.weight_decay)
    # Of 4 steps the warm-up is exactly one, and OneCycleLR divides by its length less one.
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.lr, pct_start=0.25,
                                                   total_steps=max(5, config.epochs * batches))
    poisoned, indices = images, torch.empty(0, dtype=torch.int64)
    seconds = 0.0
    for epoch in range(config.epochs):
        started = time.perf_counter()
        if attack is not None and (epoch == 0 or attack.redrawn_each_epoch):
            drawn = attack.poison(images, generator)
            poisoned, indices = drawn.images, drawn.indices
        model.train()
        total = 0.0
        for batch in torch.randperm(len(images), generator=generator).split(config.batch_size):
            x = poisoned.x[batch].to(device, memory_format=torch.channels_last)
            y = poisoned.y[batch].to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                loss = F.cross_entropy(model(x), y)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(batch)
        seconds += time.perf_counter() - started
        model.eval()
        yield Epoch(epoch + 1, total / len(images), seconds, indices)
