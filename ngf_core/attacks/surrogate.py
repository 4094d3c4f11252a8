"""A benign network that the attacker trains on his own images, to find a trigger on it."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from ngf_core.data.dataset import Images
from ngf_core.models.preact_resnet import PreActResNet

WIDTHS, COUNTS = (8, 8, 16, 32), (1, 1, 1)


def new_surrogate(channels: int, classes: int, seed: int = 0) -> PreActResNet:
    """A pre-activation residual network of width 8, 20 thousand parameters at ten classes.

    One network for every image size, with the stem for small images. Its weights depend on `seed`
    only; the global random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PreActResNet(WIDTHS, COUNTS, (channels, 32, 32), classes)


def train_surrogate(images: Images, classes: int, seed: int, epochs: int, device: torch.device,
                    report: Callable[[int, int, str], None]) -> PreActResNet:
    """Train a surrogate on clean images, SGD under one cycle; in eval mode, frozen.

    Depends on the images and `seed` only; `report(done, total, sentence)` after every epoch.
    """
    model = new_surrogate(images.shape[0], classes, seed)
    model.to(device, memory_format=torch.channels_last).train()
    generator = torch.Generator().manual_seed(seed)
    batches = -(-len(images) // 128)
    optimiser = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, nesterov=True,
                                weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.1, pct_start=0.25,
                                                   total_steps=max(5, epochs * batches))
    for epoch in range(epochs):
        for batch in torch.randperm(len(images), generator=generator).split(128):
            x = images.x[batch].to(device, memory_format=torch.channels_last)
            loss = F.cross_entropy(model(x), images.y[batch].to(device))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
        report(epoch + 1, epochs, f"Training a surrogate, epoch {epoch + 1} of {epochs}")
    return model.eval().requires_grad_(False)
