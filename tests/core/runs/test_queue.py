"""The order of turns: fair between askers, in order within one, and told as places."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from ngf_core.runs.queue import (
    Waiting,
    in_order,
    last_turns,
    place_text,
    seconds_until,
    usual_seconds,
)


def waiting(*askers: str) -> list[Waiting]:
    """One run each, created in this order, of these askers ("a", or "ab" for two of them)."""
    return [Waiting(f"run{i}", f"2026-11-29T10:00:{i:02}Z", tuple(who))
            for i, who in enumerate(askers)]


def order(runs: list[Waiting], last: dict[str, str] | None = None) -> str:
    return " ".join("".join(run.askers) for run in in_order(runs, last or {}))


def test_turns_go_round():
    assert order(waiting("a", "a", "a", "b", "c", "b")) == "a b c a b a"


def test_the_one_whose_turn_was_longest_ago_is_next():
    assert order(waiting("a", "b", "c"), {"a": "2026-11-29T09:30Z", "b": "2026-11-29T09:00Z"}) \
        == "c b a"


def test_runs_of_one_asker_keep_their_order():
    runs = waiting("a", "a", "a")
    assert in_order(runs[::-1], {}) == runs


def test_a_shared_run_is_the_turn_of_all_who_asked():
    assert order(waiting("a", "ab", "b", "c")) == "a ab c b"


@pytest.mark.parametrize("seed", range(20))
def test_while_somebody_waits_nobody_else_gets_two_turns(seed):
    """Runs of five askers join at random and take turns; what the first place says is what starts.
    """
    draw, clock = random.Random(seed), 0
    line: list[Waiting] = []
    last: dict[str, str] = {}
    joined: dict[str, int] = {}            # since when somebody waits
    turns: list[tuple[int, str]] = []
    while len(turns) < 60:
        clock += 1
        if draw.random() < 0.55 or not line:
            who = draw.choices("abcde", weights=(8, 4, 2, 1, 1))[0]
            line.append(Waiting(f"run{clock}", f"{clock:06}", (who,)))
            joined.setdefault(who, clock)
            continue
        first = in_order(line, last)[0]
        (who,) = first.askers
        for other, since in joined.items():
            had = [turn for turn in turns if turn[0] > since and turn[1] == who]
            assert other == who or not had, f"{who} gets two turns while {other} waits"
        line.remove(first)
        turns.append((clock, who))
        last[who] = f"{clock:06}"
        del joined[who]
        if any(who in run.askers for run in line):
            joined[who] = clock


def manifest(kind="train", askers=(), started=None, finished=None, state="done", foreign=None):
    return {"kind": kind, "askers": list(askers), "started": started, "finished": finished,
            "state": state, "foreign": foreign}


def test_last_turns_are_those_that_began():
    assert last_turns([
        manifest(askers="ab", started="2026-11-29T09:00:00Z"),
        manifest(askers="a", started="2026-11-29T08:00:00Z"),
        manifest(started="2026-11-29T07:00:00Z"),
        manifest(askers="c", state="queued"),
        manifest(started="9999-01-01T00:00:00Z", foreign={"bundle": "0" * 64}),
    ]) == {"a": "2026-11-29T09:00:00Z", "b": "2026-11-29T09:00:00Z", "": "2026-11-29T07:00:00Z"}


def test_what_is_usual_is_the_median_of_the_finished():
    took = [manifest(started="2026-11-29T09:00:00Z", finished=f"2026-11-29T09:0{minutes}:00Z")
            for minutes in (1, 2, 9)]
    failed = manifest(started="2026-11-29T09:00:00Z", finished="2026-11-29T09:00:01Z",
                      state="failed")
    elsewhere = manifest(started="2026-11-29T09:00:00Z", finished="2026-11-30T09:00:00Z",
                         foreign={"bundle": "0" * 64})
    set_back = manifest(started="2026-11-29T09:00:00Z", finished="2026-11-29T07:00:00Z")
    assert usual_seconds([*took, failed, *[elsewhere, set_back] * 2]) == {"train": 120.0}


def test_the_time_until_a_turn():
    usual = {"train": 100.0, "purify": 60.0}
    began = (datetime.now(UTC) - timedelta(seconds=30)).isoformat()
    running = [manifest(started=began)]
    ahead = [manifest("purify"), manifest("purify")]
    assert seconds_until(running, ahead, usual, 1) == pytest.approx(190, abs=5)
    assert seconds_until(running, ahead, usual, 2) == pytest.approx(95, abs=3)
    late = [manifest(started=(datetime.now(UTC) - timedelta(hours=1)).isoformat())]
    assert seconds_until(late, ahead, usual, 1) == 120
    assert seconds_until(running, [manifest("layers")], usual, 1) is None
    assert seconds_until([], [], usual, 1) is None


def test_a_place_in_words():
    assert place_text(3, 7, 236.0) == "Place 3 of 7, about 4 min."
    assert place_text(1, 1, 5.0) == "Place 1 of 1, about 1 min."
    assert place_text(2, 2, None) == "Place 2 of 2."
