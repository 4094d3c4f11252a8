"""The loop that methods with a gradient of their own share."""

import math

import pytest
import torch
from torch import nn

from ngf_core.errors import ConfigError
from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.descent import tune
from ngf_core.purify.step import Diverged, Stopwatch, cosine
from tests.support.tiny_models import clean_set, settings


def constant_slope(parameter: nn.Parameter, losses: list[float]):
    """A gradient of ones and the given losses in turn."""
    given = iter(losses)

    def gradient(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        parameter.grad = torch.ones_like(parameter)
        return torch.tensor(next(given))

    return gradient


def run(parameter: nn.Parameter, losses: list[float], spent, steps: int = 12, **changes) -> list:
    batches = CleanBatches(clean_set(), settings(steps=steps), torch.device("cpu"))
    return list(tune("It", [parameter], constant_slope(parameter, losses), batches, spent,
                     Stopwatch(), **({"lr": 1.0, "momentum": 0.0} | changes)))


def test_the_rate_falls_over_the_passes_left_and_the_budget_ends_the_run():
    parameter = nn.Parameter(torch.zeros(2))
    steps = run(parameter, [3.0, 2.0, 1.0], lambda k: 2 + 3 * k, lr_end=0.5)
    assert [s.step for s in steps] == [5, 8, 11] and [s.loss for s in steps] == [3.0, 2.0, 1.0]
    expected = -sum(0.5 + 0.5 * cosine(3 * k, 10) for k in range(3))
    assert parameter.tolist() == pytest.approx([expected] * 2)


def test_what_is_made_from_the_parameters_is_written_after_every_change():
    parameter = nn.Parameter(torch.zeros(1))
    seen = []
    with pytest.raises(Diverged, match="It diverged after 2 passes.*no longer finite"):
        run(parameter, [1.0, 1.0, math.inf], lambda k: k, written=lambda: seen.append(
            parameter.item()))
    assert seen == pytest.approx([-1.0, -1.0 - cosine(1, 12), -1.0])
    assert parameter.item() == -1.0, "the weights of the last finite loss"


def test_a_budget_below_one_update_is_refused():
    with pytest.raises(ConfigError, match="12 passes do not suffice for one update of It. Use at "
                                          "least 13"):
        run(nn.Parameter(torch.zeros(1)), [], lambda k: 12 + k)
