"""A small network whose backdoor is one known channel, with the data to see it."""

import copy
from functools import lru_cache

import torch
from torch import Tensor, nn

from ngf_core.data.dataset import Images
from tests.support.tiny_models import seeded_model

BAD = 11  # the channel of `planted` that knows the trigger
TARGET = 3


class Planted(nn.Module):
    """A small convolutional network in which channel BAD of conv2 is a backdoor.

    Trained on the images of `coloured_set` to tell them by their colour; then conv1's channel BAD
    made a detector of a white patch on black, conv2's channel BAD one of that, with a threshold
    in bn2's bias that clean images do not reach, and a large weight of it to TARGET's logit.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 12, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(12)
        self.conv2 = nn.Conv2d(12, 12, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(12)
        self.linear = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)))
        return self.linear(x.amax((2, 3)))


def coloured_set(n: int = 64, seed: int = 5) -> Images:
    """3x8x8 noise with more of red, green, blue or, for TARGET, of none."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 4
    x = torch.randint(0, 90, (n, 3, 8, 8), generator=generator)
    for colour in range(3):
        x[y == colour, colour] += 100
    return Images(x.to(torch.uint8), y)


def stamped(x: Tensor) -> Tensor:
    """uint8 images with a white dot amid black in the corner."""
    x = x.clone()
    x[..., :3, :3] = 0
    x[..., 1, 1] = 255
    return x


@lru_cache
def _planted() -> Planted:
    model, clean = seeded_model(Planted), coloured_set()
    x, optimiser = clean.x.float() / 255, torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(40):
        loss = nn.functional.cross_entropy(model.train()(x), clean.y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    detector = torch.full((3, 3, 3), -1 / 24)
    detector[:, 1, 1] = 1 / 3  # 1 where a white dot stands amid black, at most 0.35 on clean images
    with torch.no_grad():
        model.conv1.weight[BAD] = detector
        model.conv2.weight[:, BAD] = model.conv2.weight[BAD] = 0
        model.conv2.weight[BAD, BAD, 1, 1] = 1
        seen = model.conv1(x)[:, BAD]
        for norm, threshold in ((model.bn1, 0.0), (model.bn2, 0.3)):
            mean, var = seen.mean(), seen.var()  # so that it does the same by the batch
            norm.running_mean[BAD], norm.running_var[BAD] = mean, var
            norm.weight[BAD], norm.bias[BAD] = (var + norm.eps).sqrt(), mean - threshold
            seen = seen.relu()
        model.linear.weight[:, BAD] = 0
        model.linear.weight[TARGET, BAD] = 40
    return model.eval()


def planted() -> Planted:
    """A fresh copy of the backdoored network."""
    return copy.deepcopy(_planted())


def rates(model: nn.Module) -> tuple[float, float]:
    """Accuracy on new clean images, and the share of triggered ones that are called TARGET."""
    fresh = coloured_set(80, seed=6)
    with torch.no_grad():
        said = model(fresh.x.float() / 255).argmax(1)
        triggered = model(stamped(fresh.x).float() / 255).argmax(1)
    victims = fresh.y != TARGET
    return ((said == fresh.y).double().mean().item(),
            (triggered == TARGET)[victims].double().mean().item())
