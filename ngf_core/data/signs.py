"""The signs: procedurally drawn photographs of ten kinds of road sign at 32 x 32 pixels.

The lab needs a colour data set that is small, free and always at hand, and on which a backdoor
behaves as on the German benchmark of photographed signs (Stallkamp et al., "Man vs. computer",
Neural Networks 32, 2012). So the artwork of `sign_shapes.py` is photographed by a simulated
camera: turned, tilted, scaled and shifted; before textured surroundings, on a post; with faded
paint, shadow, glare, haze and now and then a branch in front; out of focus or shaken; exposed too
long or too short; with sensor noise. Three in ten are hard on purpose. Some classes differ in the
symbol only (30 and 80; the blue discs) and two are mirror images (keep right, keep left), so
training must not flip images.

Processors with other vector instructions differ in the last bits of float32: by up to 7e-4 of a
level here, which put a hundred of 18 million values on the next level. So the levels of all values
that are closer than `NEAR` to a tie ship, in a file that `make_signs_asset.py` wrote.
"""

import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, grid_sample

from ngf_core.data import sign_scenes, sign_shapes
from ngf_core.data.cache import cached
from ngf_core.data.sign_scenes import branches, frame, half_plane, surroundings, texture, uniform
from ngf_core.data.sign_shapes import SIGNS, artwork
from ngf_core.errors import ConfigError, NGFError
from ngf_core.paths import shipped

CLASS_NAMES = tuple(SIGNS)
COUNT = 6000
SEED = 0
SIZE = 32
FINE = 48
CHUNK = 120
HARD = 0.30
TIES = shipped("assets", "data", "signs_ties.npz")
NEAR = 1e-3  # of a level
CHECKSUM = "19936c157a3513e366417f532429244c39a5b76bef23fb4c584fcced69f6e889"

FRESH = torch.tensor(
    [
        (0.93, 0.93, 0.91),  # white
        (0.74, 0.09, 0.11),  # red
        (0.07, 0.24, 0.58),  # blue
        (0.09, 0.09, 0.10),  # black
        (0.95, 0.73, 0.12),  # yellow
    ]
)


def load() -> tuple[Tensor, Tensor]:
    """The lab's signs, the same on every processor: drawn once and then read from the cache.

    They are `render_signs(COUNT, SEED)` with the levels of `TIES`. They are drawn again when the
    drawing code, that file, torch or the numbers change.
    """
    sources = (__file__, sign_scenes.__file__, sign_shapes.__file__)
    code = [Path(source).read_bytes() for source in sources]
    code += [part.numpy().tobytes() for part in _ties()]
    numbers = f"{torch.__version__} {COUNT} {SEED}".encode()
    return cached("signs", b"".join(code) + numbers, partial(settled_signs, COUNT, SEED))


def settled_signs(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """`render_signs`, with the values near a tie set to the levels in `TIES`.

    That file is of COUNT and SEED: its `index` counts the values of all images, in their order.
    """
    images, labels = render_signs(count, seed)
    index, level = _ties()
    images.view(-1)[index] = level
    return images, labels


def _ties() -> tuple[Tensor, Tensor]:
    try:
        with np.load(TIES) as ties:
            return torch.from_numpy(ties["index"]).long(), torch.from_numpy(ties["level"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise NGFError(f"The signs cannot be drawn: {TIES} is missing or damaged ({error}). "
                       f"Restore it with `git checkout -- assets/data/{TIES.name}`, or install NGF "
                       "Lab again.") from error


def render_signs(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draw `count` photographs, fully determined by `count` and `seed`.

    Returns images uint8 (count, 3, 32, 32) and labels int64 (count,), indices into `CLASS_NAMES`.
    The classes are balanced (their sizes differ by at most one) and shuffled; nothing but the
    sign itself depends on the class.

    Raises ConfigError if count or seed is not a whole number in its range.
    """
    levels, labels = render_levels(count, seed)
    return levels.round().to(torch.uint8), labels


def render_levels(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """`render_signs` before rounding: levels from 0 to 255, float32, and labels."""
    _whole_number("count", count, 1, 10**6)
    _whole_number("seed", seed, 0, 2**63 - 1)
    generator = Generator().manual_seed(seed)
    order = torch.randperm(count, generator=generator)
    labels = (torch.arange(count) % len(CLASS_NAMES))[order]
    signs = artwork(FINE)
    levels = [_photograph(signs, part, generator) for part in labels.split(CHUNK)]
    return torch.cat(levels).contiguous(), labels


def _whole_number(field: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(
            field,
            f"{value!r} cannot be used to draw signs",
            f"Give a whole number from {low:,} to {high:,}.",
        )


def _photograph(signs: Tensor, labels: Tensor, generator: Generator) -> Tensor:
    n = len(labels)
    hard = uniform((n,), 0, 1, generator) < HARD
    edition = torch.randint(signs.shape[1], (n,), generator=generator)
    placed = poses(n, generator)
    grid = affine_grid(placed, [n, 1, FINE, FINE], align_corners=False)
    shares = grid_sample(signs[labels, edition], grid, align_corners=False)

    scene = _post(surroundings(n, FINE, generator), grid, generator)
    sign = torch.einsum("npyx,npc->ncyx", shares, paints(n, generator))
    weathered = sign * (1 + 0.05 * texture(n, FINE, generator)[:, None])
    scene = scene * (1 - shares.sum(1, keepdim=True)) + weathered
    cover, colour = branches(n, FINE, 0.06, generator)
    scene = torch.lerp(scene, colour, cover)
    return _develop(_lens(_light(scene, generator), hard, generator), hard, generator)


def poses(count: int, generator: Generator) -> Tensor:
    """Affine maps (count, 2, 3) from the frame's coordinates to the artwork's.

    Rotation by up to 15 degrees, shear up to 0.2, width against height up to 1 : 1.2, half-size
    0.62 to 0.95 of the half-frame, centre up to 0.15 off.
    """
    turn = torch.deg2rad(uniform((count,), -15, 15, generator))
    shear = uniform((count,), -0.2, 0.2, generator)
    size = uniform((count,), 0.62, 0.95, generator)
    narrow = uniform((count,), -0.0912, 0.0912, generator).exp()
    centre = uniform((count, 2, 1), -0.15, 0.15, generator)
    rotation = torch.stack([turn.cos(), turn.sin(), -turn.sin(), turn.cos()], -1).view(-1, 2, 2)
    zero, one = torch.zeros(count), torch.ones(count)
    tilt = torch.stack([one, shear, zero, one], -1).view(-1, 2, 2)
    scale = torch.diag_embed(torch.stack([1 / (size * narrow), narrow / size], -1))
    linear = scale @ tilt @ rotation
    return torch.cat([linear, -linear @ centre], -1)


def paints(count: int, generator: Generator) -> Tensor:
    """Paint colours (count, paints, 3): each fresh colour, faded towards grey and varied."""
    grey = FRESH.mean(-1, keepdim=True) * 0.6 + 0.2
    faded = torch.lerp(FRESH, grey, uniform((count, 1, 1), 0, 0.35, generator))
    return faded * uniform((count, len(FRESH), 3), 0.88, 1.08, generator)


def _post(scene: Tensor, grid: Tensor, generator: Generator) -> Tensor:
    """Seven signs in ten stand on a grey post that is seen below the sign's centre."""
    n = len(scene)
    width = uniform((n, 1, 1), 0.04, 0.09, generator)
    seen = uniform((n, 1, 1), 0, 1, generator) < 0.7
    x, y = grid.unbind(-1)
    post = ((width - x.abs()) * 20 + 0.5).clamp(0, 1) * (y > 0) * seen
    return torch.lerp(scene, uniform((n, 1, 1, 1), 0.25, 0.75, generator), post[:, None])


def _light(scene: Tensor, generator: Generator) -> Tensor:
    """A shadow over part of the frame, glare from one side, haze over all."""
    n = len(scene)
    shade = uniform((n, 1, 1, 1), 0, 0.55, generator)
    shade = shade * (uniform((n, 1, 1, 1), 0, 1, generator) < 0.5)
    shadow = half_plane(n, FINE, 0.7, 1.5, generator)[:, None]
    lean = uniform((n, 2), -0.3, 0.3, generator)
    glare = torch.einsum("yxd,nd->nyx", frame(FINE), lean)[:, None]
    haze = uniform((n, 1, 1, 1), 0, 0.15, generator)
    return torch.lerp(scene * (1 - shade * shadow) * (1 + glare), torch.tensor(0.7), haze)


def _lens(scene: Tensor, hard: Tensor, generator: Generator) -> Tensor:
    """Blur and sample: (n, 3, 48, 48) to (n, 3, 32, 32), the two axes blurred apart.

    The point spread is Gaussian with a standard deviation of 0.35 to 1.0 pixels along each axis
    (focus, and shake along one axis), two and a half times that in hard images.
    """
    width = uniform((len(scene), 2), 0.35, 1.0, generator) * (1 + 1.5 * hard[:, None])
    sensor = torch.arange(SIZE) + 0.5
    fine = (torch.arange(FINE) + 0.5) * SIZE / FINE
    apart = (sensor[:, None] - fine) ** 2
    # Without the floor the far tail is subnormal numbers, which slow the product many times over.
    spread = torch.exp((-apart / (2 * width[:, :, None, None] ** 2)).clamp_min(-20))
    spread = spread / spread.sum(-1, keepdim=True)
    down, across = spread.unbind(1)
    rows = down @ scene.transpose(1, 2).flatten(2)
    return (rows.view(-1, SIZE * 3, FINE) @ across.mT).view(-1, SIZE, 3, SIZE).transpose(1, 2)


def _develop(scene: Tensor, hard: Tensor, generator: Generator) -> Tensor:
    """Exposure to levels: contrast, gain, gamma and colour cast, then noise of sensor and light."""
    n = len(scene)
    weak = hard & (uniform((n,), 0, 1, generator) < 0.5)
    weak = weak[:, None, None, None]
    gain = torch.exp(uniform((n, 1, 1, 1), -0.8, 0.3, generator)) * torch.where(weak, 0.6, 1.0)
    contrast = uniform((n, 1, 1, 1), 0.6, 1.15, generator) * torch.where(weak, 0.6, 1.0)
    gamma = torch.exp(uniform((n, 1, 1, 1), -0.3, 0.4, generator))
    cast = uniform((n, 3, 1, 1), 0.92, 1.08, generator)
    noise = uniform((n, 1, 1, 1), 0.004, 0.03, generator)
    middle = scene.mean((1, 2, 3), keepdim=True)
    exposed = (middle + contrast * (scene - middle)).clamp(1e-4, 1) ** gamma * gain * cast
    grain = torch.randn((n, 3, SIZE, SIZE), generator=generator)
    grain = torch.lerp(grain, grain.mean(1, keepdim=True) * 3**0.5, 0.6) * noise
    seen = exposed + grain * (0.4 + exposed.clamp(0, 1).sqrt())
    return seen.clamp(0, 1) * 255
