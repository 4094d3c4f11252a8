"""Accuracy on the clean set, and how many channels it lets go."""

import pytest
import torch

from ngf_core.purify.pruning import clean_accuracy, most
from ngf_core.purify.purifier import CleanBatches
from tests.core.purify.stand_ins import clean_set, settings


@pytest.mark.parametrize("limit", [0, 1, 2, 6, 7, 8])
def test_bisection_finds_the_limit_in_few_looks(limit):
    looks = []

    def acceptable(count: int) -> bool:
        looks.append(count)
        return count <= limit

    assert most(8, acceptable) == limit
    assert len(looks) <= 4 and 0 not in looks


def test_what_bisection_returns_was_acceptable_even_where_accuracy_rises_again():
    allowed = {0, 1, 2, 5, 6}
    assert most(8, allowed.__contains__) in allowed


def test_nothing_to_cut_needs_no_look():
    assert most(0, lambda count: pytest.fail("looked")) == 0


def test_accuracy_counts_every_clean_image_once_and_as_it_is():
    clean = clean_set(21)
    seen = []

    def outputs(x: torch.Tensor) -> torch.Tensor:
        seen.append(x)
        return torch.nn.functional.one_hot(torch.full((len(x),), 2), 4).float()

    config = settings(augment="strong", batch_size=8)
    found = clean_accuracy(outputs, CleanBatches(clean, config, torch.device("cpu")))
    assert found == pytest.approx((clean.y == 2).double().mean().item())
    assert torch.equal(torch.cat(seen), clean.x.float() / 255)
