"""Each size against the next: the same attacks and seeds, by differences that are known."""

import math

import pytest

from ngf_core.evidence.growth import HEAD, growth, growth_row
from ngf_core.evidence.sizes import COMPARED, WEIGHTS, sizes
from ngf_core.evidence.sizes_report import claim_at_sizes
from tests.support.fabricated_sizes import ASR, write

MINI, W16, W32, W64 = WEIGHTS
T_2 = 4.302653  # Student's t with two degrees of freedom, 97.5 %


def steps(folder):
    return {(step.dataset, step.smaller, step.larger, step.entrant): step
            for step in growth(sizes(folder))}


def test_only_attacks_and_seeds_that_both_have_are_compared(tmp_path):
    write(tmp_path, MINI, asr=ASR | {"ngf": 0.3}, swing=0.1)
    write(tmp_path / "sizes" / "one", W64, asr=ASR | {"ngf": 0.2}, seeds=[0, 7],
          attacks=COMPARED[:1])
    step = steps(tmp_path)["signs", MINI, W64, "ngf"]
    assert (step.at_smaller, step.at_larger) == pytest.approx((0.4, 0.2))
    assert (step.change.n, step.seeds) == (1, "0")
    assert growth_row(step)[-4:] == ["−20.0", "1", "0", "yes"], "one model has no interval"


def test_the_change_has_the_interval_over_attacks(tmp_path):
    write(tmp_path, MINI, asr=ASR | {"sgd": 0.5}, seeds=[0])
    write(tmp_path / "sizes" / "one", W16, asr=ASR | {"sgd": 0.6}, seeds=[0], swing=0.1)
    change = steps(tmp_path)["signs", MINI, W16, "sgd"].change
    half = T_2 * 0.1 / math.sqrt(3)
    assert (change.mean, change.low, change.high) == pytest.approx((0.1, 0.1 - half, 0.1 + half))


def test_no_change_is_larger_than_a_hundred_points(tmp_path):
    write(tmp_path, MINI, asr=ASR | {"sgd": 0.5}, seeds=[0])
    write(tmp_path / "sizes" / "one", W16, asr=ASR | {"sgd": 0.5}, seeds=[0], swing=0.45)
    change = steps(tmp_path)["signs", MINI, W16, "sgd"].change
    assert (change.low, change.high) == (-1, 1)


@pytest.mark.parametrize("train", [{"epochs": 8}, {"limit": 50}])
def test_sizes_that_were_trained_otherwise_say_so(tmp_path, train):
    write(tmp_path, MINI)
    write(tmp_path / "sizes" / "one", W64, train=train)
    step = steps(tmp_path)["signs", MINI, W64, "ngf"]
    assert not step.alike and growth_row(step)[-1] == "no"


def test_sizes_of_other_data_sets_and_without_common_models_are_not_compared(tmp_path):
    write(tmp_path, MINI, seeds=[0])
    write(tmp_path / "sizes" / "one", W16, seeds=[1])
    write(tmp_path / "sizes" / "two", W32, "fashion_mnist")
    assert steps(tmp_path) == {} and " | ".join(HEAD) not in claim_at_sizes(tmp_path)


def test_a_size_that_was_not_measured_is_passed_over(tmp_path):
    write(tmp_path, MINI)
    write(tmp_path / "sizes" / "one", W32)
    write(tmp_path / "sizes" / "two", W64)
    assert {key[1:3] for key in steps(tmp_path)} == {(MINI, W32), (W32, W64)}


def test_the_document_has_a_line_per_step_and_method(tmp_path):
    write(tmp_path, MINI)
    write(tmp_path / "sizes" / "one", W16, asr=ASR | {"ngf": 0.01})
    table = claim_at_sizes(tmp_path).strip().split("\n\n")[-1].splitlines()
    assert table[0] == f"| {' | '.join(HEAD)} |" and len(table) == 5
    assert table[2] == ("| Signs | 78 thousand | 0.7 million | NGF | 5.0 | 1.0 | "
                        "−4.0 [−4.0, −4.0] | 9 | 0, 1, 2 | yes |")
