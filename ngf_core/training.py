"""Training a benign or backdoored model.

SGD with Nesterov momentum 0.9 under one cycle of the learning rate, channels-last; bf16 autocast
where the processor multiplies it. Images are not augmented: the signs are already drawn
shifted and rotated, flips would change what signs and digits mean, and a crop would cut corner
triggers off some poisoned images and not others.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ngf_core.attacks.attack import Attack
from ngf_core.attacks.control import Control
from ngf_core.config import TrainConfig
from ngf_core.data.dataset import Images
from ngf_core.models.layout import layout
from ngf_core.ranks.group import Ranks
from ngf_core.ranks.whole_batch import WholeBatch


@dataclass(frozen=True)
class Epoch:
    """One finished epoch: its number from 1, mean training loss, training seconds so far.

    `poisoned` are the sorted indices that carried the trigger in it (empty for benign training),
    `cover` those that were changed without it; `attack` is the attack with what it has learned.
    `state()` is all that the following epochs depend on (weights, optimiser, schedule, generator,
    what the attack controls), as dicts, lists, numbers and tensors; it shares the tensors that
    training goes on to change, so keep a copy.
    """

    epoch: int
    loss: float
    seconds: float
    poisoned: Tensor
    cover: Tensor
    attack: Attack | None
    state: Callable[[], dict[str, Any]] = dict


def resolve_precision(name: str, device: torch.device) -> str:
    """`float32` or `bf16`: what `auto` means on this device."""
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "float32"
    multiplies = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return "bf16" if multiplies else "float32"


def train(model: nn.Module, images: Images, attack: Attack | None, config: TrainConfig,
          device: torch.device, earlier: Mapping[str, Any] | None = None,
          ranks: Ranks | None = None) -> Iterator[Epoch]:
    """Train `model` in place, one epoch per iteration.

    The attack, fitted before, acts through its `Control`. After the last epoch the model is in eval
    mode. `earlier` is the `state` of an epoch of the same training, which then goes on after it,
    bit by bit as if it had not stopped, on the same machine and number of threads. `ranks` train
    together what one process trains, up to rounding: the same batches in the same order, of which
    each computes a share.
    """
    generator = torch.Generator().manual_seed(config.seed)
    bf16 = resolve_precision(config.precision, device) == "bf16"
    order = layout(model, device)
    model.to(device, memory_format=order)  # type: ignore[call-overload]  # torch's types miss it
    batches = -(-len(images) // config.batch_size)
    optimiser = torch.optim.SGD(model.parameters(), config.lr, momentum=0.9, nesterov=True,
                                weight_decay=config.weight_decay)
    # Of 4 steps the warm-up is exactly one, and OneCycleLR divides by its length less one.
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.lr, pct_start=0.25,
                                                   total_steps=max(5, config.epochs * batches))
    control = (Control(None, images, generator) if attack is None
               else attack.control(images, generator, config.epochs, device))
    seconds, first = 0.0, 0
    if earlier is not None:
        seconds, first = earlier["seconds"], earlier["epoch"]
        model.load_state_dict(earlier["model"])
        optimiser.load_state_dict(earlier["optimiser"])
        schedule.load_state_dict(earlier["schedule"])
        control.restore(earlier["control"])
        generator.set_state(earlier["generator"])
    network = model if ranks is None else WholeBatch(model, ranks)

    def state() -> dict[str, Any]:
        return {"epoch": epoch + 1, "seconds": seconds, "model": model.state_dict(),
                "optimiser": optimiser.state_dict(), "schedule": schedule.state_dict(),
                "control": control.state(), "generator": generator.get_state()}

    for epoch in range(first, config.epochs):
        started = time.perf_counter()
        drawn = control.epoch(epoch, model)
        network.train()
        total = 0.0
        for batch in torch.randperm(len(images), generator=generator).split(config.batch_size):
            if len(batch) == 1 < len(images):
                continue  # BatchNorm over one image of one pixel has no variance
            x = drawn.images.x[batch].to(device, memory_format=order)
            y = drawn.images.y[batch].to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                loss = control.loss(network, batch, x, y)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            control.step()
            total += loss.item() * len(batch)
        seconds += time.perf_counter() - started
        network.eval()
        yield Epoch(epoch + 1, total / len(images), seconds, drawn.indices, drawn.cover,
                    control.attack, state)
