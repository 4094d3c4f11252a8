"""The artwork of ten road signs, drawn from signed distances.

A sign is painted layer over layer on the square [-1, 1]^2 (x to the right, y downwards). Each
layer is a shape, given as its signed distance (negative inside), in one of five paints. What is
kept is the share of each paint in every pixel, not a colour: the photographer (`signs.py`) mixes
fresh or faded paint for each sign, so one drawing serves every sign of its class. Each class is
drawn in several editions that differ in rim, lettering and symbol size, as road signs do.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

PAINTS = ("white", "red", "blue", "black", "yellow")
WHITE, RED, BLUE, BLACK, YELLOW = range(len(PAINTS))


@dataclass(frozen=True)
class Edition:
    """Rim width, stroke width relative to the usual one, and symbol size relative to it."""

    rim: float
    bold: float
    size: float


EDITIONS = (Edition(0.15, 1.0, 1.0), Edition(0.20, 1.2, 0.92), Edition(0.12, 0.85, 1.06))


def disc(p: np.ndarray, radius: float, centre: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Signed distance of points p (..., 2) to a disc."""
    return np.linalg.norm(p - np.asarray(centre), axis=-1) - radius


def stroke(p: np.ndarray, width: float, *lines: np.ndarray) -> np.ndarray:
    """Signed distance to round-ended pen strokes along polylines, each (k, 2)."""
    starts = np.concatenate([line[:-1] for line in lines])
    ends = np.concatenate([line[1:] for line in lines])
    nearest = np.full(p.shape[:-1], np.inf)
    for start, end in zip(starts, ends, strict=True):
        along, to = end - start, p - start
        share = np.clip(to @ along / (along @ along), 0, 1)
        nearest = np.minimum(nearest, np.linalg.norm(to - share[..., None] * along, axis=-1))
    return nearest - width / 2


def polygon(p: np.ndarray, corners: np.ndarray, rounding: float = 0.0) -> np.ndarray:
    """Signed distance to a convex polygon, corners (k, 2) in clockwise order on the screen.

    `rounding` pushes the outline outwards by that much, which rounds the corners.
    """
    closed = np.concatenate([corners, corners[:1]])
    edges = np.diff(closed, axis=0)
    to = p[..., None, :] - corners
    inside = (edges[:, 0] * to[..., 1] - edges[:, 1] * to[..., 0] >= 0).all(axis=-1)
    distance = stroke(p, 0.0, closed)
    return np.where(inside, -distance, distance) - rounding


def regular(sides: int, radius: float, first: float, centre: float = 0.0) -> np.ndarray:
    """Corners (sides, 2) of a regular polygon; the first at `first` degrees, centre at (0, y)."""
    angles = np.deg2rad(first + 360 * np.arange(sides) / sides)
    return radius * np.stack([np.cos(angles), np.sin(angles)], -1) + (0.0, centre)


def arc(x: float, y: float, rx: float, ry: float, first: float, last: float) -> np.ndarray:
    """Points (13, 2) of an elliptic arc, in degrees; 0 is right, 90 is down on the screen."""
    angles = np.deg2rad(np.linspace(first, last, 13))
    return np.stack([x + rx * np.cos(angles), y + ry * np.sin(angles)], -1)


def line(*points: tuple[float, float]) -> np.ndarray:
    return np.asarray(points, dtype=float)


Layers = list[tuple[int, np.ndarray]]


def _stop(p: np.ndarray, e: Edition) -> Layers:
    word = [
        arc(-0.55, -0.13, 0.11, 0.13, -20, -270),
        arc(-0.55, 0.13, 0.11, 0.13, -90, 160),
        line((-0.31, -0.26), (-0.03, -0.26)),
        line((-0.17, -0.26), (-0.17, 0.26)),
        arc(0.19, 0, 0.12, 0.26, 0, 360),
        line((0.46, 0.26), (0.46, -0.26), (0.55, -0.26)),
        arc(0.55, -0.12, 0.11, 0.14, -90, 90),
        line((0.46, 0.02), (0.55, 0.02)),
    ]
    return [
        (WHITE, polygon(p, regular(8, 1.0, 22.5))),
        (RED, polygon(p, regular(8, 1.0 - 0.55 * e.rim, 22.5))),
        (WHITE, stroke(p / e.size, 0.1 * e.bold, *word)),
    ]


def _yield(p: np.ndarray, e: Edition) -> Layers:
    return [
        (RED, polygon(p, regular(3, 0.9, 90, -0.22), 0.13)),
        (WHITE, polygon(p, regular(3, 1.0 - 2.1 * e.rim, 90, -0.22), 0.04)),
    ]


def _no_entry(p: np.ndarray, e: Edition) -> Layers:
    bar = line((-0.53 * e.size, 0), (0.53 * e.size, 0))
    return [
        (WHITE, disc(p, 0.96)),
        (RED, disc(p, 0.96 - 0.35 * e.rim)),
        (WHITE, stroke(p, 0.26 * e.bold, bar)),
    ]


def _speed_limit(p: np.ndarray, e: Edition, first: list[np.ndarray]) -> Layers:
    number = [*first, arc(0.27, 0, 0.17, 0.36, 0, 360)]
    return [
        (RED, disc(p, 0.96)),
        (WHITE, disc(p, 0.96 - 1.25 * e.rim)),
        (BLACK, stroke(p / e.size, 0.13 * e.bold, *number)),
    ]


def _speed_limit_30(p: np.ndarray, e: Edition) -> Layers:
    three = [arc(-0.27, -0.18, 0.17, 0.18, -155, 90), arc(-0.27, 0.18, 0.19, 0.18, -90, 155)]
    return _speed_limit(p, e, three)


def _speed_limit_80(p: np.ndarray, e: Edition) -> Layers:
    eight = [arc(-0.27, -0.18, 0.16, 0.18, 0, 360), arc(-0.27, 0.18, 0.19, 0.18, 0, 360)]
    return _speed_limit(p, e, eight)


def _priority_road(p: np.ndarray, e: Edition) -> Layers:
    return [
        (BLACK, polygon(p, regular(4, 0.9, 0), 0.1)),
        (WHITE, polygon(p, regular(4, 0.86, 0), 0.09)),
        (YELLOW, polygon(p, regular(4, 0.78 - 1.2 * e.rim, 0), 0.05)),
    ]


def _blue_disc(p: np.ndarray, e: Edition) -> Layers:
    return [(WHITE, disc(p, 0.96)), (BLUE, disc(p, 0.96 - 0.4 * e.rim))]


def _keep_right(p: np.ndarray, e: Edition) -> Layers:
    q = p / e.size
    head = line((0.55, 0.0), (0.55, 0.55), (0.0, 0.55))
    return [
        *_blue_disc(p, e),
        (WHITE, stroke(q, 0.24 * e.bold, line((-0.42, -0.42), (0.3, 0.3)))),
        (WHITE, polygon(q, head)),
    ]


def _keep_left(p: np.ndarray, e: Edition) -> Layers:
    return _keep_right(p * (-1, 1), e)


def _roundabout(p: np.ndarray, e: Edition) -> Layers:
    q = p / e.size
    layers = _blue_disc(p, e)
    for turn in (-90, 30, 150):
        base, tip = turn - 62, turn - 100
        spokes = [(0.25, base), (0.47, tip), (0.73, base)]
        head = line(*((r * np.cos(np.deg2rad(a)), r * np.sin(np.deg2rad(a))) for r, a in spokes))
        layers += [
            (WHITE, stroke(q, 0.17 * e.bold, arc(0, 0, 0.49, 0.49, turn, base))),
            (WHITE, polygon(q, head)),
        ]
    return layers


def _general_danger(p: np.ndarray, e: Edition) -> Layers:
    q = (p - (0, 0.2)) / e.size + (0, 0.2)
    return [
        (RED, polygon(p, regular(3, 0.9, -90, 0.22), 0.13)),
        (WHITE, polygon(p, regular(3, 1.0 - 2.0 * e.rim, -90, 0.22), 0.04)),
        (BLACK, stroke(q, 0.15 * e.bold, line((0, -0.22), (0, 0.22)))),
        (BLACK, disc(q, 0.085 * e.bold, (0, 0.46))),
    ]


SIGNS: dict[str, Callable[[np.ndarray, Edition], Layers]] = {
    "stop": _stop,
    "yield": _yield,
    "no entry": _no_entry,
    "speed limit 30": _speed_limit_30,
    "speed limit 80": _speed_limit_80,
    "priority road": _priority_road,
    "keep right": _keep_right,
    "keep left": _keep_left,
    "roundabout": _roundabout,
    "general danger": _general_danger,
}


def artwork(size: int) -> Tensor:
    """Every sign in every edition: paint shares, float32 (classes, editions, paints, size, size).

    A pixel's shares sum to its coverage: one inside the sign, zero outside, between on the edge.
    """
    ticks = (np.arange(size) + 0.5) * 2 / size - 1
    p = np.stack(np.meshgrid(ticks, ticks), -1)
    drawn = [[_paint(sign(p, e), 2 / size) for e in EDITIONS] for sign in SIGNS.values()]
    return torch.from_numpy(np.stack(drawn)).float()


def _paint(layers: Layers, pixel: float) -> np.ndarray:
    shares = np.zeros((len(PAINTS), *layers[0][1].shape))
    for paint, distance in layers:
        cover = np.clip(0.5 - distance / pixel, 0, 1)
        shares *= 1 - cover
        shares[paint] += cover
    return shares
