"""What stands behind and before a road sign: sky, leaves, walls, road, the post, a branch.

Everything is random texture and two-coloured half-planes; at thumbnail size that is what the
surroundings of a sign look like. Coordinates are the frame's, [-1, 1]^2, y downwards.
"""

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

SURROUNDINGS = torch.tensor(
    [
        (0.55, 0.70, 0.88),  # blue sky
        (0.80, 0.83, 0.86),  # overcast sky
        (0.92, 0.91, 0.88),  # haze
        (0.33, 0.42, 0.20),  # leaves in the sun
        (0.15, 0.21, 0.11),  # leaves in the shade
        (0.42, 0.41, 0.40),  # asphalt
        (0.60, 0.57, 0.52),  # concrete
        (0.52, 0.31, 0.24),  # brick
        (0.72, 0.62, 0.47),  # plaster
        (0.16, 0.16, 0.18),  # window, shadow
    ]
)


def uniform(shape: tuple[int, ...], low: float, high: float, generator: Generator) -> Tensor:
    """Independent uniform numbers on [low, high)."""
    return torch.rand(shape, generator=generator) * (high - low) + low


def frame(size: int) -> Tensor:
    """Coordinates (size, size, 2) of the pixel centres: x to the right, then y downwards."""
    ticks = (torch.arange(size) + 0.5) * 2 / size - 1
    return torch.stack(torch.meshgrid(ticks, ticks, indexing="xy"), -1)


def texture(count: int, size: int, generator: Generator) -> Tensor:
    """Smooth random fields (count, size, size) of mean 0 and variance 1 or less.

    Noise on grids of 4, 8, 16 and 32 cells, each grid laid over the one before; the share of the
    fine grids is random, so that some fields are clouds and others are leaves.
    """
    rough = uniform((count, 1, 1, 1), 0.3, 1.1, generator)
    field = torch.zeros(count, 1, 4, 4)
    for octave, cells in enumerate((4, 8, 16, 32)):
        field = interpolate(field, size=(cells, cells), mode="bilinear")
        noise = torch.randn((count, 1, cells, cells), generator=generator)
        field = field + rough**octave * noise
    field = field / field.square().mean((2, 3), keepdim=True).sqrt()
    return interpolate(field, size=(size, size), mode="bilinear")[:, 0]


def half_plane(count: int, size: int, reach: float, soft: float, generator: Generator) -> Tensor:
    """Weights (count, size, size): 1 on one side of a random line, 0 on the other.

    The line passes the centre at a distance of at most `reach`, on either side, in any direction;
    its edge is up to `soft` wide.
    """
    angle = uniform((count, 1, 1), 0, 2 * torch.pi, generator)
    offset = uniform((count, 1, 1), -reach, reach, generator)
    width = uniform((count, 1, 1), 0.02, soft, generator)
    x, y = frame(size).unbind(-1)
    return torch.sigmoid((angle.cos() * x + angle.sin() * y - offset) * 4 / width)


def surroundings(count: int, size: int, generator: Generator) -> Tensor:
    """Backgrounds (count, 3, size, size) in [0, 1]: three textured materials with edges between."""
    material = torch.randint(len(SURROUNDINGS), (count, 3), generator=generator)
    tint = uniform((count, 3, 3), 0.9, 1.1, generator)
    first, second, third = (SURROUNDINGS[material] * tint)[..., None, None].unbind(1)
    near = half_plane(count, size, 0.9, 0.4, generator)[:, None]
    far = half_plane(count, size, 0.9, 0.4, generator)[:, None]
    scene = torch.lerp(torch.lerp(first, second, far), third, near)
    light = texture(count, size, generator) * uniform((count, 1, 1), 0.03, 0.3, generator)
    return (scene * (1 + light[:, None])).clamp(0, 1)


def branches(count: int, size: int, share: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """What hangs before the lens: cover (n, 1, size, size) in [0, 1] and colour (n, 3, 1, 1).

    Only a random `share` of the images gets any: a ragged piece reaching in from one side.
    """
    hidden = uniform((count, 1, 1), 0, 1, generator) < share
    angle = uniform((count, 1, 1), 0, 2 * torch.pi, generator)
    edge = uniform((count, 1, 1), 0.25, 0.7, generator)
    x, y = frame(size).unbind(-1)
    depth = angle.cos() * x + angle.sin() * y - edge + 0.15 * texture(count, size, generator)
    cover = torch.sigmoid(depth * 30) * hidden
    material = torch.randint(len(SURROUNDINGS), (count,), generator=generator)
    return cover[:, None], SURROUNDINGS[material][:, :, None, None] * 0.7
