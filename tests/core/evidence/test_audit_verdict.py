"""The verdict says only what passed, and refuses what one seed or one rescaling could have made."""

import math

import numpy as np
import pytest

from ngf_core.errors import ConfigError
from ngf_core.evidence.audit_report import evidence, text
from ngf_core.evidence.audit_verdict import FEWEST_SEEDS, MATCHED, estimates, judge
from tests.support.audited_pair import audited_pair as pair


def judged(**changes):
    return judge([pair(seed, **changes) for seed in range(3)])


def test_all_measures_down_is_flatter():
    verdict = judged(plain=0.3, invariant=0.4)
    assert verdict.word == "flatter" and verdict.sentence.startswith("Flatter: ")
    assert verdict.because == ()


def test_all_measures_up_is_sharper():
    verdict = judged(plain=5.0, invariant=2.0)
    assert verdict.word == "sharper" and verdict.sentence.startswith("Sharper: ")


def test_a_rescaled_layer_is_not_a_flat_minimum():
    verdict = judged(plain=0.05, invariant=1.0)
    assert verdict.word == "rescaled"
    assert "Rescaling a layer can do this, and changes no answer" in verdict.sentence


def test_smaller_logits_are_not_a_flat_minimum():
    verdict = judged(plain=0.3, invariant=0.3, matched_plain=1.0, matched_invariant=1.0)
    assert verdict.word == "logits"
    assert "not once the logits have one scale" in verdict.sentence


def test_what_shows_only_at_matched_logits_counts():
    assert judged(matched_plain=0.3, matched_invariant=0.4).word == "flatter"


@pytest.mark.parametrize(("as_is", "matched"), [(0.3, 3.0), (3.0, 0.3)])
def test_what_turns_round_with_the_logits_is_mixed(as_is, matched):
    """Neither the one nor the other, whichever the rules look for first."""
    assert judged(plain=as_is, invariant=as_is, matched_plain=matched,
                  matched_invariant=matched).word == "mixed"


def test_a_larger_eigenvalue_by_pyhessian_refuses():
    pairs = [pair(seed, plain=0.3, invariant=0.4) for seed in range(3)]
    pairs[1]["evidence"] = {role: found | {"pyhessian": {"value": 20.0, "residual": 0.1,
                                                         "agrees": False}}
                            for role, found in pairs[1]["evidence"].items()}
    assert "PyHessian found a larger eigenvalue" in judge(pairs).because[0]


def test_an_adaptive_eigenvalue_that_did_not_converge_refuses():
    pairs = [pair(seed, plain=0.3, invariant=0.4) for seed in range(3)]
    pairs[2]["measures"]["adaptive_lambda_max"]["matched"]["error"] = 5.0
    assert "(matched) has not converged (residual 5)" in judge(pairs).because[0]


def test_opposite_stories_are_called_mixed():
    verdict = judged(plain=4.0, invariant=0.3)
    assert verdict.word == "mixed"
    assert verdict.sentence == (
        "Mixed, so neither flatter nor sharper. At matched logits these fell: adaptive λ_max; "
        "adaptive SAM, one step; Fisher-Rao. At matched logits these rose: λ_max; trace; SAM, one "
        "step. The others are not resolved.")


def test_where_none_went_the_other_way_that_is_said():
    assert judged(matched_plain=4.0).sentence == (
        "Mixed, so neither flatter nor sharper. At matched logits these rose: λ_max; trace; SAM, "
        "one step. None fell. The others are not resolved.")


def test_nothing_moved():
    assert judged().word == "not resolved"


@pytest.mark.parametrize("seeds", [1, 2])
def test_too_few_seeds_are_refused_however_clear_they_are(seeds):
    verdict = judge([pair(seed, plain=0.01, invariant=0.01) for seed in range(seeds)])
    assert verdict.word == "none"
    assert verdict.because[0].startswith(f"{seeds} training seed")
    assert f"at least {FEWEST_SEEDS}" in verdict.because[0]


def test_many_attacks_of_one_seed_are_still_one_seed():
    verdict = judge([pair(0, attack, plain=0.1, invariant=0.1)
                     for attack in ("badnets", "blend", "wanet", "sig")])
    assert verdict.word == "none" and verdict.because[0].startswith("1 training seed:")


@pytest.mark.parametrize(("changes", "words"), [
    ({"residual": 0.2}, "has not converged (residual 0.2)"),
    ({"off_by": 0.5}, "differs from finite differences in float64"),
    ({"off_by": None}, "differs from finite differences in float64"),
    ({"difference": 1e-6}, "the same answers up to the scale of their logits"),
])
def test_a_value_that_cannot_be_trusted_refuses_the_verdict_by_name(changes, words):
    pairs = [pair(seed, plain=0.1, invariant=0.1) for seed in (0, 1)]
    verdict = judge([*pairs, pair(2, plain=0.1, invariant=0.1, **changes)])
    assert verdict.word == "none"
    assert all("seed 2" in sentence and words in sentence for sentence in verdict.because)
    assert verdict.because


def test_two_purifications_of_one_model_are_no_repetition():
    with pytest.raises(ConfigError, match=r"two of them start from one model \(badnets, seed 1\)"):
        judge([pair(0), pair(1), pair(1)])


def test_the_interval_is_students_over_the_seeds():
    """Three seeds of one attack: mean -+ t(2) s / sqrt 3, the closed form."""
    found = estimates([pair(seed, plain=0.5) for seed in range(3)])[MATCHED]["lambda_max"]
    logs = np.log(0.5 * np.array([0.95, 1.0, 1.05]))
    half = 4.302652729911275 * logs.std(ddof=1) / math.sqrt(3)
    assert (found.mean, found.low, found.high) == pytest.approx(
        (logs.mean(), logs.mean() - half, logs.mean() + half))


def test_what_is_not_positive_has_no_ratio_and_is_left_out():
    pairs = [pair(seed, plain=0.3, invariant=0.4) for seed in range(4)]
    pairs[3]["measures"]["trace"][MATCHED]["value"] = None
    assert estimates(pairs)[MATCHED]["trace"].n == 3


def test_a_missing_ratio_leaves_the_measure_open():
    pairs = [pair(seed, plain=0.3, invariant=0.4) for seed in range(4)]
    assert judge(pairs).word == "flatter"
    pairs[3]["measures"]["trace"][MATCHED]["value"] = None
    assert judge(pairs).word == "mixed"


def test_other_images_must_agree():
    pairs = [pair(seed, plain=0.3, invariant=0.4) for seed in range(3)]
    for one, value in zip(pairs, (-1.0, 0.5, 0.1), strict=True):
        one["other_images"][1] = one["other_images"][1] | {"trace": value}
    verdict = judge(pairs)
    assert verdict.word == "not resolved" and verdict.sentence.startswith("Open: ")
    assert verdict.because == ("Other images, set 2, not resolved as fell: trace.",)


def test_without_other_images_it_stays_open():
    pairs = [pair(seed, plain=0.3, invariant=0.4) for seed in range(3)]
    pairs[0]["other_images"] = []
    assert "No further images" in judge(pairs).because[0]


def test_two_copies_of_the_same_weights_are_one_model():
    pairs = [pair(seed) for seed in range(3)]
    pairs[2]["models"]["before"]["weights"] = pairs[0]["models"]["before"]["weights"]
    with pytest.raises(ConfigError, match="its weights are the same"):
        judge(pairs)


@pytest.mark.parametrize(("part", "name", "value", "words"), [
    ("unit", "dataset", "digits", "data set (signs, digits)"),
    ("conditions", "network", "vgg", "network (cnn, vgg)"),
    ("conditions", "seed", 7, "seed of the images (0, 7)"),
    ("conditions", "layer", "conv1", "tuned layer (linear, conv1)"),
])
def test_pairs_of_other_conditions_are_not_pooled(part, name, value, words):
    pairs = [pair(seed) for seed in range(3)]
    pairs[1][part][name] = value
    with pytest.raises(ConfigError) as caught:
        judge(sorted(pairs, key=lambda one: one[part][name] == value))
    assert words in str(caught.value)


def test_an_older_audit_has_no_verdict():
    pairs = [pair(seed, plain=0.3, invariant=0.4) for seed in range(3)]
    del pairs[1]["format"]
    assert "older version" in judge(pairs).because[0]


def test_a_ratio_beyond_floats_is_told():
    found = pair(0)
    found["measures"]["trace"][MATCHED] = {"value": 800.0, "error": 0.1}
    found["other_images"][0]["trace"] = 800.0
    assert "×inf" in text([found])


def test_pyhessian_that_did_not_converge_is_said():
    found = pair(0)
    assert evidence(found)[1][-1] == "yes"
    found["evidence"]["before"] = found["evidence"]["before"] | {
        "pyhessian": {"value": 5.0, "residual": 6.0, "agrees": True}}
    assert evidence(found)[1][-1] == "not converged"
