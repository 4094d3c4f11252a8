"""The clock of a replay, against arithmetic by hand."""

import pytest

from app.widgets.race.replay import Replay


def test_it_takes_eight_seconds_from_end_to_end():
    replay = Replay(21).play(100.0)
    positions = [replay.position(100.0 + t) for t in (0, 0.41, 4.0, 7.9, 8.0, 99)]
    assert positions == [0, 1, 10, 19, 20, 20]
    assert replay.playing(107.9) and not replay.playing(108.0)


def test_pause_keeps_the_place_and_play_goes_on_from_it():
    paused = Replay(21).play(0.0).pause(4.0)
    assert paused.position(1e9) == 10 and not paused.playing(1e9)
    assert paused.play(100.0).position(102.0) == 15


def test_play_at_the_end_starts_again():
    assert Replay(21, base=20).play(5.0).position(5.0) == 0


def test_steps_stay_within_the_recording():
    replay = Replay(3)
    assert replay.step(0.0, -1).position(0.0) == 0
    assert replay.step(0.0, 1).position(0.0) == 1
    assert replay.go_to(99).position(0.0) == 2


def test_another_speed_keeps_the_place():
    fast = Replay(21).play(0.0).at_speed(4.0, 2.0)
    assert fast.position(4.0) == 10 and fast.position(6.0) == 20
    assert fast.tick == 0.25 and Replay(21).tick == pytest.approx(0.4)


@pytest.mark.parametrize("total", [0, 1])
def test_a_recording_without_length_rests(total):
    replay = Replay(total).play(0.0)
    assert replay.position(5.0) == 0 and not replay.playing(5.0) and replay.tick == 8.0
