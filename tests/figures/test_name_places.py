"""Names beside marks: drawn boxes are told from plotly's words for places, not from the module."""

import itertools

import numpy as np
import pandas as pd
import pytest

from app.figures.name_places import name_places

RANGES = (0.0, 1.0), (0.0, 1.0)
HIGH = 350


def _box(place, x, y, text):
    """Left, top, right, bottom of a name of 7 pixels a letter, y downwards, as plotly draws it."""
    long, line, gap = 7 * len(text), 16, 6
    if place.away:
        note = place.annotation()
        x, y, gap = x + note["ax"], y + note["ay"], 0
        vertical = {"top": "bottom", "bottom": "top", "middle": "middle"}[note["yanchor"]]
        horizontal = {"left": "right", "right": "left", "center": "center"}[note["xanchor"]]
    else:
        vertical, horizontal = place.side.split()
    left = {"left": x - gap - long, "center": x - long / 2, "right": x + gap}[horizontal]
    top = {"top": y - gap - line, "middle": y - line / 2, "bottom": y + gap}[vertical]
    return left, top, left + long, top + line


def _overlap(one, other):
    return (min(one[2], other[2]) - max(one[0], other[0]) > 0
            and min(one[3], other[3]) - max(one[1], other[1]) > 0)


def _drawn(points, names, wide):
    """The boxes of all names and of all marks in a figure of this width."""
    places = name_places(points, names, *RANGES)
    at = {name: (wide * x, HIGH * (1 - y)) for name, (x, y) in points.iterrows()}
    return ({name: _box(places[name], *at[name], names[name]) for name in at},
            {name: (x - 5, y - 5, x + 5, y + 5) for name, (x, y) in at.items()})


@pytest.mark.parametrize("wide", [250, 540])
@pytest.mark.parametrize("seed", range(6))
def test_no_name_lies_on_another_or_on_a_mark_or_leaves_the_figure(seed, wide):
    rng = np.random.default_rng(seed)
    names = {i: "n" * int(rng.integers(3, 15)) for i in range(11)}
    heap = rng.normal((0.25, 0.45), (0.06, 0.1), (9, 2))
    points = pd.DataFrame(np.vstack([heap, [[0.1, 0.92], [0.85, 0.4]]]).clip(0.02, 0.97))
    boxes, marks = _drawn(points, names, wide)
    assert [(a, b) for a, b in itertools.combinations(boxes, 2)
            if _overlap(boxes[a], boxes[b])] == []
    assert [(a, b) for a in boxes for b in marks if a != b and _overlap(boxes[a], marks[b])] == []
    assert all(left >= 0 and top >= 0 and right <= wide and bottom <= HIGH
               for left, top, right, bottom in boxes.values())


def test_a_name_with_room_stands_right_of_its_mark():
    points = pd.DataFrame({"x": [0.1, 0.5], "y": [0.1, 0.9]}, index=["a", "b"])
    places = name_places(points, {"a": "one", "b": "two"}, *RANGES)
    assert {(place.side, place.away) for place in places.values()} == {("middle right", 0)}


def test_at_the_right_edge_it_stands_elsewhere():
    points = pd.DataFrame({"x": [0.97], "y": [0.5]}, index=["a"])
    assert name_places(points, {"a": "a long name"}, *RANGES)["a"].side == "middle left"


def test_of_three_neighbours_none_is_sent_away():
    points = pd.DataFrame({"x": [0.3, 0.31, 0.3], "y": [0.3, 0.305, 0.31]}, index=list("abc"))
    places = name_places(points, {name: "abc" for name in "abc"}, *RANGES)
    assert len({place.side for place in places.values()}) == 3
    assert all(not place.away for place in places.values())


def test_no_points_no_places():
    assert name_places(pd.DataFrame({"x": [], "y": []}), {}, *RANGES) == {}
