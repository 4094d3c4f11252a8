"""Small image sets and ready-built attacks for the tests of this folder."""

import torch

from ngf_core.attacks import ATTACKS
from ngf_core.attacks.attack import Attack, attack_class, build_attack
from ngf_core.data.dataset import Images

SHAPES = [(1, 28, 28), (3, 28, 28), (1, 32, 32), (3, 32, 32)]
VARIANTS = [(name, strength) for name in ATTACKS for strength in attack_class(name).strengths]


def attack(name: str, shape: tuple[int, int, int] = (3, 32, 32), **settings: object) -> Attack:
    """The attack called `name` with usable settings for ten classes."""
    return build_attack(name, **{"target": 3, "poison_rate": 0.05, "seed": 7, "classes": 10,
                                 "shape": shape, **settings})


def pictures(n: int = 6, shape: tuple[int, int, int] = (3, 32, 32), seed: int = 0) -> torch.Tensor:
    """Random images that use every level from 0 to 255."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, *shape), generator=generator, dtype=torch.uint8)


def image_set(n: int = 200, shape: tuple[int, int, int] = (3, 16, 16)) -> Images:
    """Random images of ten equally large classes."""
    return Images(pictures(n, shape), torch.arange(n) % 10)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
