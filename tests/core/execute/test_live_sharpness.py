"""The budget of the looks along a race, on a clock that the test winds."""

import math

import pytest
import torch

from ngf_core.curvature.sharpness.live import SharpnessPoint, sharpness_point
from ngf_core.data.dataset import Images
from ngf_core.execute import live_sharpness
from ngf_core.execute.live_sharpness import LATER, SHARE, LiveSharpness
from tests.support.small_networks import case


class Clock:
    """A clock that the test winds, and that looks move: by `cost` seconds, the first by more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cost: float) -> None:
        self.now = 0.0
        self.looks = 0

        def slow(*arguments: object) -> SharpnessPoint:
            self.now += cost if self.looks else cost / LATER
            self.looks += 1
            return sharpness_point(*arguments)

        monkeypatch.setattr(live_sharpness, "sharpness_point", slow)

    def __call__(self) -> float:
        return self.now


def images(count: int = 12) -> Images:
    x = torch.randint(0, 256, (count, 2, 5, 5), generator=torch.Generator().manual_seed(0))
    return Images(x.to(torch.uint8), torch.arange(count) % 4)


def measured(monkeypatch, cost: float, pace: float = 1.0, steps: int = 40
             ) -> tuple[LiveSharpness, list[int]]:
    """A race of two methods that takes `pace` seconds a step; the steps that were measured."""
    model, *_ = case("linear")
    clock = Clock(monkeypatch, cost)
    live, seen = LiveSharpness(images(), 0, steps, 2, clock), []
    for step in range(steps + 1):
        clock.now += pace if step else 0.0
        taken = [bool(live.measure(method, model, step)) for method in "ab"]
        assert taken[0] == taken[1]
        seen += [step] * taken[0]
    return live, seen


def test_a_cheap_look_is_taken_every_time(monkeypatch):
    live, seen = measured(monkeypatch, cost=0.01)
    assert seen == list(range(41)) and live.report()["skipped"] == 0


@pytest.mark.parametrize("cost, looks", [(0.2, 19), (0.5, 7), (1.0, 3)])
def test_looks_take_their_share_and_are_spread_evenly(monkeypatch, cost, looks):
    live, seen = measured(monkeypatch, cost)
    told = live.report()
    assert told["steps"] == seen and told["skipped"] == 41 - len(seen)
    assert told["race_seconds"] == 40 and told["seconds"] <= SHARE * 40 + cost
    assert seen[0] == 0 and seen[-1] == 40 and looks - 1 <= len(seen) <= looks + 1
    gaps = [b - a for a, b in zip(seen, seen[1:], strict=False)]
    assert max(gaps) <= 2 * min(gaps) + 1


def test_a_race_shorter_than_a_look_has_only_the_first(monkeypatch):
    live, seen = measured(monkeypatch, cost=30.0)
    assert seen == [0] and live.report()["skipped"] == 40


def test_methods_at_different_steps_are_each_measured_at_their_end(monkeypatch):
    model, *_ = case("linear")
    clock = Clock(monkeypatch, 0.5)
    live, taken = LiveSharpness(images(), 0, 30, 2, clock), {"a": [], "b": []}
    for turn in range(31):
        for method, step in (("a", turn), ("b", turn // 7 * 7)):
            clock.now += 1.0
            if live.measure(method, model, step):
                taken[method].append(step)
    assert taken["a"][-1] == 30 and taken["a"][0] == taken["b"][0] == 0
    assert len(set(taken["b"])) > 1


def test_all_methods_start_from_one_look(monkeypatch):
    model, *_ = case("linear")
    clock = Clock(monkeypatch, 1.0)
    live = LiveSharpness(images(), 0, 10, 2, clock)
    first, second = (live.measure(m, model, 0) for m in "ab")
    assert first == second and clock.looks == 1
    assert live.counts(first)["lambda_max"] == 12 and live.counts({}) == {}


def test_a_model_that_has_fallen_over_is_left_out(monkeypatch):
    model, *_ = case("linear")
    clock = Clock(monkeypatch, 0.0)
    live = LiveSharpness(images(), 0, 10, 1, clock)
    live.measure("a", model, 0)
    model[1].weight.data.fill_(math.nan)
    clock.now = 100.0
    assert live.measure("a", model, 1) == {}


def test_points_of_before_a_stop_decide_for_the_methods_that_have_none_yet():
    model, *_ = case("linear")
    live = LiveSharpness(images(), 0, 40, 2)
    taken = {"acc": 0.5, "lambda_max": 2.0}
    live.measured("a", 4, taken)
    live.measured("a", 8, {"acc": 0.5})
    assert live.measure("b", model, 4) and live.measure("b", model, 8) == {}
    assert live.report()["steps"] == [4] and live.report()["skipped"] == 1
