"""Names beside marks: drawn boxes are told from plotly's words for places, not from the module."""

import itertools

import numpy as np
import pandas as pd
import pytest

from app.figures.name_places import Place, name_places

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


def _covered(boxes, marks):
    """Pairs of names that lie on one another, and of a name on another's mark."""
    return ([pair for pair in itertools.combinations(boxes, 2)
             if _overlap(*(boxes[name] for name in pair))]
            + [(a, b) for a in boxes for b in marks if a != b and _overlap(boxes[a], marks[b])])


def _inside(boxes, wide):
    return all(left >= 0 and top >= 0 and right <= wide and bottom <= HIGH
               for left, top, right, bottom in boxes.values())


@pytest.mark.parametrize("wide", [250, 300, 375, 540, 700, 800])
def test_names_of_a_leaderboard_lie_on_nothing(wide):
    """ASR and ACC drop of eleven defenses, seven of them in a heap; half of the names are long."""
    asr = [24.2, 24.6, 35.8, 34.1, 46.2, 29.5, 45.5, 49.2, 42.8, 90.4, 36.4]
    drop = [0.4, 7.4, 0.4, 6.6, 0.3, 17.9, 4.0, 4.3, 23.6, 0.4, 65.6]
    points = pd.DataFrame({"x": (np.array(drop) + 5) / 91, "y": (np.array(asr) + 4) / 102})
    names = dict(enumerate(["ngf", "fine-pruning", "sgd", "anp", "ngf as released", "fip",
                            "fine-tuning", "nad", "ft-sam", "clp", "i-bau"]))
    boxes, marks = _drawn(points, names, wide)
    assert _covered(boxes, marks) == [] and _inside(boxes, wide)


def _heaps():
    """Twelve times eleven marks, nine of them in a heap, with names of 3 to 14 letters."""
    rng = np.random.default_rng(0)
    for _ in range(12):
        names = {i: "n" * int(rng.integers(3, 15)) for i in range(11)}
        heap = rng.normal((0.25, 0.45), (0.06, 0.1), (9, 2))
        yield pd.DataFrame(np.vstack([heap, [[0.1, 0.92], [0.85, 0.4]]]).clip(0.02, 0.97)), names


@pytest.mark.parametrize("wide", [250, 540, 800])
def test_in_heaps_names_cover_a_tenth_of_what_they_cover_right_of_their_marks(wide):
    found = usual = 0
    for points, names in _heaps():
        boxes, marks = _drawn(points, names, wide)
        assert _inside(boxes, wide)
        found += len(_covered(boxes, marks))
        usual += len(_covered({name: _box(Place("middle right"), wide * x, HIGH * (1 - y),
                                          names[name]) for name, (x, y) in points.iterrows()},
                              marks))
    assert usual > 100 and found < usual / 10


@pytest.mark.parametrize("wide, most", [(250, 1 / 3), (540, 1 / 5)])
def test_few_lines_to_names_lead_through_other_names_and_marks(wide, most):
    """Without regard to lines it is 26 of 53, and 16."""
    crossed = []
    for points, names in _heaps():
        places = name_places(points, names, *RANGES)
        boxes, marks = _drawn(points, names, wide)
        for name, (x, y) in points.iterrows():
            if places[name].away:
                note = places[name].annotation()
                others = np.array([of[other] for of in (boxes, marks) for other in of
                                   if other != name])
                line = (wide * x, HIGH * (1 - y)) + np.linspace(0.3, 1, 20)[:, None] * (
                    note["ax"], note["ay"])
                within = ((others[:, None, :2] < line) & (line < others[:, None, 2:])).all(-1)
                crossed.append(within.any())
    assert len(crossed) > 30 and np.mean(crossed) < most


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
