"""The budget of the looks along a race, on a clock that the test winds."""

import math

import pytest
import torch

from ngf_core.data.dataset import Images
from ngf_core.execute.live_sharpness import SHARE, LiveSharpness
from tests.core.curvature.dense import case


class Clock:
    """Every look lasts as long as `cost` says."""

    def __init__(self, cost: float) -> None:
        self.cost, self.now, self.asked = cost, 0.0, 0

    def __call__(self) -> float:
        self.asked += 1
        self.now += self.cost * (self.asked % 2 == 0)
        return self.now


def images(count: int = 12) -> Images:
    x = torch.randint(0, 256, (count, 2, 5, 5), generator=torch.Generator().manual_seed(0))
    return Images(x.to(torch.uint8), torch.arange(count) % 4)


def measured(cost: float, pace: float, steps: int = 40) -> tuple[LiveSharpness, list[int]]:
    """A race of two methods that takes `pace` seconds a step; the steps that were measured."""
    model, *_ = case("linear")
    live = LiveSharpness(images(), 0, steps, 2, Clock(cost))
    seen = [step for step in range(steps + 1) for method in ("a", "b")
            if live.measure(method, model, step, pace * step) and method == "b"]
    return live, seen


def test_a_cheap_look_is_taken_every_time():
    live, seen = measured(cost=0.01, pace=1.0)
    assert seen == list(range(41)) and live.report()["skipped"] == 0


@pytest.mark.parametrize("cost, looks", [(0.2, 20), (1.0, 4), (3.0, 2)])
def test_looks_take_their_share_and_are_spread_evenly(cost, looks):
    live, seen = measured(cost, pace=1.0)
    told = live.report()
    assert told["steps"] == seen and told["skipped"] == 41 - len(seen)
    assert told["seconds"] <= SHARE * told["race_seconds"] + cost and seen[0] == 0
    assert seen[-1] == 40 and looks - 1 <= len(seen) <= looks + 1
    # The first gap rests on a guess of what a look costs: half of the first.
    gaps = [b - a for a, b in zip(seen[1:], seen[2:], strict=False)] or [0]
    assert max(gaps) <= 2 * min(gaps) + 1


def test_a_race_shorter_than_a_look_has_only_the_first():
    live, seen = measured(cost=30.0, pace=1.0)
    assert seen == [0] and live.report()["skipped"] == 40


def test_methods_are_measured_at_the_same_steps():
    model, *_ = case("linear")
    live = LiveSharpness(images(), 0, 30, 2, Clock(1.0))
    taken = {m: [] for m in "ab"}
    for step in range(30):
        for method in "ab":
            if live.measure(method, model, step, 3.0 * step):
                taken[method].append(step)
    assert taken["a"] == taken["b"] and 1 < len(taken["a"]) < 30


def test_all_methods_start_from_one_look():
    model, *_ = case("linear")
    clock = Clock(1.0)
    live = LiveSharpness(images(), 0, 10, 2, clock)
    first, second = (live.measure(m, model, 0, 0.0) for m in "ab")
    assert first == second and clock.asked == 2
    assert live.counts(first)["lambda_max"] == 12 and live.counts({}) == {}


def test_a_model_that_has_fallen_over_is_left_out():
    model, *_ = case("linear")
    live = LiveSharpness(images(), 0, 10, 1)
    live.measure("a", model, 0, 0.0)
    model[1].weight.data.fill_(math.nan)
    assert live.measure("a", model, 1, 1e6) == {}
    assert live.report()["steps"] == [0]
