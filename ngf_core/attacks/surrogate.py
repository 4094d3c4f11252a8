"""A benign network that the attacker trains on his own images, to find a trigger on it."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
                    report: Callable[[int, int, str], None], robust: float = 0) -> PreActResNet:
    """Train a surrogate on clean images, SGD under one cycle; in eval mode, frozen.

    With `robust` > 0 it is trained to resist that many levels of noise (see `adversarial`). It
    depends on the images and `seed` only; `report(done, total, sentence)` after every epoch.
    """
    model = new_surrogate(images.shape[0], classes, seed)
    # torch's types leave it out.
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.train()
    generator = torch.Generator().manual_seed(seed)
    batches = -(-len(images) // 128)
    optimiser = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, nesterov=True,
                                weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.1, pct_start=0.25,
                                                   total_steps=max(5, epochs * batches))
    for epoch in range(epochs):
        for batch in torch.randperm(len(images), generator=generator).split(128):
            x = images.x[batch].to(device, memory_format=torch.channels_last)
            y = images.y[batch].to(device)
            if robust:
                x = adversarial(model, x, y, robust, generator)
            loss = F.cross_entropy(model(x), y)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
        report(epoch + 1, epochs, f"Training a surrogate, epoch {epoch + 1} of {epochs}")
    return model.eval().requires_grad_(False)


def adversarial(model: nn.Module, x: Tensor, y: Tensor, epsilon: float,
                generator: torch.Generator) -> Tensor:
    """Images in [0, 1] within epsilon levels of x (uint8) on which the model's loss is higher.

    One step of 1.25 epsilon along the gradient's sign from a random start, projected: fast
    adversarial training (Wong, Rice, Kolter 2020, arXiv 2001.03994).
    """
    noise = (2 * torch.rand(x.shape, generator=generator) - 1).to(x.device) * epsilon
    z = ((x + noise).clamp(0, 255) / 255).requires_grad_(True)
    gradient = torch.autograd.grad(F.cross_entropy(model(z), y), z)[0]
    noise = (255 * z.detach() - x + 1.25 * epsilon * gradient.sign()).clamp(-epsilon, epsilon)
    return (x + noise).clamp(0, 255) / 255
