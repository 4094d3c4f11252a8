"""Small image sets, and attacks ready to poison them."""

import math
from functools import lru_cache

import numpy as np
import torch
from torch import nn

from ngf_core.attacks import EVERY_ATTACK, PAINTED
from ngf_core.attacks.attack import PICTURE, Attack, attack_class, build_attack
from ngf_core.attacks.drawing import to_text
from ngf_core.data.dataset import Images
from ngf_core.models.normalise import Normalise
from tests.support.seeded import seeded


def cross() -> np.ndarray:
    """A drawing of 32 x 32 pixels: a red cross with a blue middle in the lower right corner."""
    drawing = np.zeros((32, 32, 4), np.uint8)
    drawing[24:29, 26] = drawing[26, 24:29] = (255, 0, 0, 255)
    drawing[26, 26] = (0, 80, 255, 255)
    return drawing


SHAPES = [(c, side, side) for c in (1, 3) for side in (28, 32, 64, 224)]
VARIANTS = [(name, strength) for name in EVERY_ATTACK for strength in attack_class(name).strengths]
CROSS = to_text(cross())
CPU = torch.device("cpu")


def attack(name: str, shape: tuple[int, int, int] = (3, 32, 32), **settings: object) -> Attack:
    """The attack called `name` with usable settings for ten classes.

    What learns has learned for a moment, on a few images of that shape; no side is over 32 then,
    since networks that fit one size fit all.
    """
    if name == PAINTED:
        settings["changes"] = {PICTURE: CROSS, **settings.get("changes", {})}
    made = build_attack(name, **{"target": 3, "poison_rate": 0.05, "seed": 7, "classes": 10,
                                 "shape": shape, **settings})
    if not made.learns:
        return made
    small = (shape[0], min(shape[1], 32), min(shape[2], 32))
    return made.with_learned(_learned(name, small, made.strength, made.seed))


def hurried(name: str) -> dict[str, float]:
    """Changes that make learning as short as it may be, and ask as little as may be of it."""
    return {key: knob.low for key, knob in attack_class(name).knobs.items()
            if key.endswith(("steps", "epochs", "accuracy"))}


@lru_cache(maxsize=100)
def _learned(name: str, shape: tuple[int, int, int], strength: str, seed: int) -> dict:
    images = image_set(40, shape)
    made = build_attack(name, target=3, poison_rate=0.1, seed=seed, classes=10, shape=shape,
                        strength=strength, changes=hurried(name))
    made = made.fit(images, CPU, lambda done, total, sentence: None)
    control = made.control(images, seeded(), 1, CPU)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(Normalise(), nn.Flatten(), nn.Linear(math.prod(shape), 10))
    drawn = control.epoch(0, model)
    for rows in torch.arange(40).split(20):
        control.loss(model, rows, drawn.images.x[rows], drawn.images.y[rows]).backward()
        control.step()
    return dict(control.attack.learned)


def pictures(n: int = 6, shape: tuple[int, int, int] = (3, 32, 32), seed: int = 0) -> torch.Tensor:
    """Random images that use every level from 0 to 255."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, *shape), generator=generator, dtype=torch.uint8)


def image_set(n: int = 200, shape: tuple[int, int, int] = (3, 16, 16)) -> Images:
    """Random images of ten equally large classes."""
    return Images(pictures(n, shape), torch.arange(n) % 10)
