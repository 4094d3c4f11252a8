"""Networks small enough for dense matrices of all their weights, with samples."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Residual(nn.Module):
    """A tiny convolutional network with BatchNorm, a shortcut and smooth activations."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 2, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(2)
        self.conv = nn.Conv2d(2, 2, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(2)
        self.linear = nn.Linear(2, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = x / 255 if x.dtype == torch.uint8 else x
        x = self.stem(x)
        x = x + torch.tanh(self.bn2(self.conv(torch.tanh(self.bn1(x)))))
        return self.linear(x.mean((2, 3)))


def linear_softmax() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(2 * 5 * 5, 4))


def conv_bn() -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 2, 2),
                         nn.Flatten(), nn.Linear(8, 4))


MODELS = {"linear": linear_softmax, "conv_bn": conv_bn, "residual": Residual}


def case(name: str, samples: int = 11, models: dict[str, Callable[[], nn.Module]] = MODELS
         ) -> tuple[nn.Module, Tensor, Tensor]:
    """A model of `models` away from special points, in training mode, with inputs and targets."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = models[name]()
        for p in model.parameters():
            p.data += 0.2 * torch.randn_like(p)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(std=0.3)
                module.running_var.uniform_(0.5, 2)
        return (model.train(), torch.rand(samples, 2, 5, 5),
                torch.randint(0, 4, (samples,)))
