"""A class: who moves it, whose votes count, and when it is forgotten."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.read.lesson.class_room import IDLE, MOST_CLASSES, ClassRooms, Place


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def rooms(clock):
    return ClassRooms(lambda: clock[0])


def test_only_its_presenter_moves_a_class(rooms):
    code = rooms.open("teacher", "first")
    assert re.fullmatch("[A-Z2-9]{5}", code)
    rooms.move(code, "pupil", "second", True)
    assert rooms.place(code) == Place("first", False, 0)
    rooms.move(code, "teacher", "second", False)
    rooms.move(code, "teacher", "second", False)
    rooms.move(code, "teacher", "second", True)
    assert rooms.place(code) == Place("second", True, 2)
    assert rooms.presents(code, "teacher") and not rooms.presents(code, "pupil")


def test_a_presenter_goes_ahead_of_a_class_that_is_held(rooms):
    code = rooms.open("teacher", "first")
    rooms.move(code, "teacher", "second", False, held=True)
    rooms.move(code, "teacher", "second", True, held=True)
    assert rooms.hall(code) == Place("second", True, 2)
    assert rooms.place(code) == Place("first", False)
    rooms.move(code, "pupil", "third", False, held=True)
    rooms.move(code, "teacher", "second", True)
    assert (rooms.hall(code), rooms.place(code)) == (Place("second", True, 2),
                                                     Place("second", True, 1))
    assert rooms.hall("NOBODY") is None


def test_a_class_knows_how_long_it_has_been_open(rooms, clock):
    code = rooms.open("teacher", "first")
    clock[0] = 45 * 60 + 59
    rooms.place(code)
    assert rooms.minutes(code) == 45 and rooms.minutes("NOBODY") == 0


def test_a_browser_has_one_vote_a_scene_and_its_last_counts(rooms):
    code = rooms.open("teacher", "first")
    for browser, option in (("a", 1), ("b", 2), ("a", 2)):
        rooms.vote(code, browser, "first", option)
    rooms.vote(code, "a", "second", 1)
    assert rooms.counts(code, "first") == {2: 2} and rooms.counts(code, "second") == {1: 1}
    assert rooms.voted(code, "a", "first") == 2 and rooms.voted(code, "a", "second") == 1
    assert rooms.voted(code, "b", "second") is None and rooms.voted("NOBODY", "a", "first") is None
    rooms.vote("NOBODY", "a", "first", 1)
    assert not rooms.counts("NOBODY", "first")


def test_classes_do_not_mix(rooms):
    one, other = rooms.open("x", "first"), rooms.open("y", "first")
    rooms.vote(one, "a", "first", 1)
    assert one != other and not rooms.counts(other, "first")


def test_votes_of_many_at_once_are_all_counted(rooms):
    code = rooms.open("teacher", "first")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: rooms.vote(code, f"b{n}", "first", n % 3 + 1), range(300)))
    assert rooms.counts(code, "first") == {1: 100, 2: 100, 3: 100}


def test_nothing_is_kept_after_the_end(rooms):
    code = rooms.open("teacher", "first")
    rooms.vote(code, "a", "first", 1)
    rooms.close(code, "pupil")
    assert rooms.place(code)
    rooms.close(code, "teacher")
    assert rooms.place(code) is None and not rooms.counts(code, "first")


def test_a_class_that_nobody_attends_is_forgotten(rooms, clock):
    code = rooms.open("teacher", "first")
    clock[0] = IDLE - 1
    assert rooms.place(code)  # somebody was there
    clock[0] = 2 * IDLE - 2
    assert rooms.place(code)
    clock[0] = 3 * IDLE
    assert rooms.place(code) is None


def test_there_are_not_endlessly_many(rooms):
    assert all(rooms.open("teacher", "first") for _ in range(MOST_CLASSES))
    assert rooms.open("teacher", "first") is None
