"""Tiny models for a defense to purify, with clean images and settings to do it with."""

from dataclasses import fields

import torch
from torch import Tensor, nn

from ngf_core.data.dataset import Images
from ngf_core.purify import Budget
from ngf_core.purify.registry import PURIFIERS
from ngf_core.purify.settings import MethodSettings


class Tiny(nn.Module):
    """Two convolutions with BatchNorm and a linear layer on 3x8x8 images of four classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 5, 3, stride=2)
        self.bn2 = nn.BatchNorm2d(5)
        self.linear = nn.Linear(45, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        return self.linear(torch.relu(self.bn2(self.conv2(x))).flatten(1))


class Cliff(Tiny):
    """A `Tiny` without a finite answer once a weight of its last layer has moved by 0.015."""

    def forward(self, x: Tensor) -> Tensor:
        moved = (self.linear.weight - tiny().linear.weight).abs().max()
        return super().forward(x) * (1.0 if moved < 0.015 else torch.nan)


class LinearModel(nn.Module):
    """One float64 linear layer on flattened pixels."""

    def __init__(self, features: int = 12, classes: int = 3) -> None:
        super().__init__()
        self.linear = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x.double().flatten(1))


def seeded_model(cls: type, *sizes: int, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return cls(*sizes)


def tiny(seed: int = 0) -> Tiny:
    """A `Tiny` in training mode, so that a method that forgets to set the mode is caught."""
    return seeded_model(Tiny, seed=seed).train()


def clean_set(n: int = 24, shape: tuple[int, int, int] = (3, 8, 8), classes: int = 4) -> Images:
    generator = torch.Generator().manual_seed(2)
    x = torch.randint(0, 256, (n, *shape), generator=generator, dtype=torch.uint8)
    return Images(x, torch.randint(0, classes, (n,), generator=generator))


def settings(**changes: object) -> Budget:
    return Budget(**{"steps": 4, "batch_size": 16, "augment": "crop"} | changes)


# For networks as small as these; whatever a method has of it.
OWN = {"layer": "conv2", "kl_bound": 0.1, "damping": 0.5}


def asked(method: str, **changes: object) -> tuple[MethodSettings, Budget]:
    """A method's own settings and a budget, as tests of small networks take them, with changes to
    either."""
    cls = PURIFIERS[method].settings
    names = {field.name for field in fields(cls)}
    own = {name: value for name, value in (OWN | changes).items() if name in names}
    return cls(**own), settings(**{name: value for name, value in changes.items()
                                   if name not in names})
