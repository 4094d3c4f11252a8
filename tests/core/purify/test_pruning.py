"""Accuracy on the clean set, and how many channels it lets go."""

import pytest
import torch

from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.masks import channels_of
from ngf_core.purify.pruning import clean_accuracy, most, prune
from tests.support.planted_backdoor import coloured_set, planted
from tests.support.tiny_models import clean_set, settings


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


def test_pruning_takes_the_smallest_masks_that_accuracy_allows():
    model, clean = planted(), coloured_set()
    channels = channels_of(model, "it")
    batches = CleanBatches(clean, settings(batch_size=64), torch.device("cpu"))
    masks = torch.linspace(0, 1, 24).flip(0)  # the last channel's is the smallest
    before = clean_accuracy(model, batches)
    chosen = prune(channels, masks, 0.6, 0.2, batches)
    assert chosen.tolist() == list(range(23, 23 - len(chosen), -1)) and 0 < len(chosen) < 14
    assert clean_accuracy(model, batches) >= before - 0.2
    more = channels.without(torch.arange(23 - len(chosen), 24))
    assert clean_accuracy(lambda x: channels.outputs(x, more), batches) < before - 0.2


def test_pruning_leaves_masks_over_the_threshold():
    channels = channels_of(planted(), "it")
    batches = CleanBatches(coloured_set(), settings(), torch.device("cpu"))
    masks = torch.linspace(0, 1, 24)
    chosen = prune(channels, masks, masks[3].item(), 1.0, batches)
    assert chosen.tolist() == [0, 1, 2]
    assert prune(channels, masks, 0.0, 1.0, batches).tolist() == []
