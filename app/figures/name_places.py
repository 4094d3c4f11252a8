"""Where the names of marks in a scatter go, so that they cover little of marks and other names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

WIDTHS = (250, 540, 800)  # pixels of the plot: on a phone, in half of a window and of a wide one
TALL, LETTER, LINE, MARK, BEAD = 350, 7, 18, 12, 6
AWAY = (0, 18, 36, 54)  # pixels to a name across and up; a line joins those that are apart
COVERED, OUTSIDE = 10, 1e5  # cost per square pixel, and of leaving the figure; a pixel away costs 1
SIDES = {"middle right": (1, 0), "top center": (0, 1), "bottom center": (0, -1),
         "middle left": (-1, 0), "top right": (1, 1), "bottom right": (1, -1),
         "top left": (-1, 1), "bottom left": (-1, -1)}


@dataclass(frozen=True)
class Place:
    """A side of the mark, in plotly's words, and how far away from it, in pixels."""

    side: str
    away: int = 0

    def annotation(self) -> dict[str, Any]:
        """For a name that is away: plotly's offset and anchors of an annotation with a line."""
        right, up = SIDES[self.side]
        return {"ax": right * (MARK / 2 + self.away), "ay": -up * (MARK / 2 + self.away),
                "xanchor": {-1: "right", 0: "center", 1: "left"}[right],
                "yanchor": {-1: "top", 0: "middle", 1: "bottom"}[up]}

    def boxes(self, long: float) -> np.ndarray:
        """What a name of this length covers, around its mark: the name, and beads along the line
        that leads to it. Rows of left, bottom, right, top in pixels, and empty boxes up
        to as many as the longest line has."""
        right, up = SIDES[self.side]
        gap = MARK / 2 + self.away
        left, low = right * gap + (right - 1) * long / 2, up * gap + (up - 1) * LINE / 2
        boxes = np.zeros((1 + AWAY[-1] // BEAD, 4))
        boxes[0] = left, low, left + long, low + LINE
        for row, far in enumerate(range(MARK, MARK // 2 + self.away, BEAD), start=1):
            boxes[row] = _around(np.array([right, up]) * far, BEAD)
        return boxes


PLACES = [Place(side, away) for away in AWAY for side in SIDES]


def name_places(points: pd.DataFrame, names: Mapping[Any, str], across: tuple[float, float],
                up: tuple[float, float]) -> dict[Any, Place]:
    """For each point (row; x and y in its two columns) the place for its name, so that names cover
    little of other marks and names, at each of `WIDTHS`, and are near.

    In several orders, each name takes the place that costs least, and twice again when all others
    have theirs; the cheapest end counts.

    across, up: the ranges of the two axes.
    """
    if points.empty:
        return {}
    share = (points.to_numpy() - (across[0], up[0])) / (across[1] - across[0], up[1] - up[0])
    around = np.array([[place.boxes(LETTER * len(names[name])) for place in PLACES]
                       for name in points.index])
    views = [(wide, at, around + np.tile(at, 2)[:, None, None])  # name, place, box, edge
             for wide in WIDTHS for at in [share * (wide, TALL)]]

    def costs(mine: int, taken: Mapping[int, int]) -> np.ndarray:
        """Of each place for this name, where others have taken theirs."""
        total = np.array([float(place.away) for place in PLACES])
        for wide, at, boxes in views:
            others = np.concatenate([_around(np.delete(at, mine, axis=0), MARK), *(
                boxes[other, place] for other, place in taken.items() if other != mine)])
            others = others[others[:, 0] < others[:, 2]]
            total += COVERED * _shared(boxes[mine][:, :, None], others).sum(axis=(1, 2))
            left, low, right, high = boxes[mine][:, 0].T
            total += OUTSIDE * ((left < 0) | (low < 0) | (right > wide) | (high > TALL))
        return total

    ends = []
    for order in (share[:, 0], -share[:, 0], share[:, 1], -share[:, 1]):
        taken: dict[int, int] = {}
        for mine in 3 * list(map(int, np.argsort(order, kind="stable"))):
            taken[mine] = int(costs(mine, taken).argmin())
        ends.append((sum(costs(mine, taken)[place] for mine, place in taken.items()), taken))
    cheapest = min(ends, key=lambda end: end[0])[1]
    return {name: PLACES[cheapest[i]] for i, name in enumerate(points.index)}


def _around(middles: np.ndarray, size: float) -> np.ndarray:
    """Boxes of this size around points (x, y)."""
    return np.concatenate([middles - size / 2, middles + size / 2], axis=-1)


def _shared(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The areas that boxes share."""
    sides = np.minimum(some[..., 2:], others[..., 2:]) - np.maximum(some[..., :2], others[..., :2])
    return sides.clip(min=0).prod(axis=-1)
