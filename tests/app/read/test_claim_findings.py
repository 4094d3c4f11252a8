"""The sentences at the top of the Sharpness claim page say no more than the verdicts do."""

import pandas as pd
import pytest

from app.read.claim_findings import findings
from ngf_core.evidence.entrants import BY_RULE
from ngf_core.evidence.verdict import FAILS, HOLDS, OPEN

MEASURES = ("lambda_max", "trace", "adaptive_lambda_max", "adaptive_trace")


def readings(comparison: str, *, over_all: list[str], in_layer: list[str]) -> pd.DataFrame:
    """Readings of one comparison: a verdict each, over all parameters and in the tuned layer."""
    claimed = 1 if comparison == "backdoored" else -1
    ratio = {HOLDS: 2.0**claimed, FAILS: 2.0**-claimed, OPEN: 1.1}
    rows = [(parameters, verdict) for parameters, verdicts in
            (("all", over_all), ("layer", in_layer)) for verdict in verdicts]
    return pd.DataFrame([{"comparison": comparison, "images": "held_out", "parameters": parameters,
                          "measure": MEASURES[i % 4], "verdict": verdict, "ratio": ratio[verdict],
                          "n": 42} for i, (parameters, verdict) in enumerate(rows)])


@pytest.mark.parametrize("over_all, in_layer, sentence", [
    ([HOLDS] * 2, [HOLDS] * 2, "Backdoored models are sharper than benign ones."),
    ([OPEN] * 2, [HOLDS] * 2,
     "Backdoored models are sharper than benign ones in the tuned layer; over all parameters that "
     "is not resolved."),
    ([OPEN] * 2, [HOLDS, OPEN, OPEN],
     "Backdoored models are sharper than benign ones in 1 of 3 readings in the tuned layer; over "
     "all parameters that is not resolved."),
    ([HOLDS, OPEN], [HOLDS, OPEN],
     "Backdoored models are sharper than benign ones in 2 of 4 readings."),
    ([FAILS] * 2, [FAILS] * 2, "Backdoored models are flatter, not sharper, than benign ones."),
    ([OPEN] * 2, [OPEN] * 2, "Whether backdoored models are sharper than benign ones is not "
     "resolved."),
    ([HOLDS] * 2, [FAILS] * 2, "Backdoored models are sharper than benign ones in 2 of 4 readings "
     "and flatter in 2.")])
def test_backdoored_against_benign(over_all, in_layer, sentence):
    (found,) = findings(readings("backdoored", over_all=over_all, in_layer=in_layer))
    assert found.sentence == sentence


@pytest.mark.parametrize("over_all, in_layer, sentence", [
    ([HOLDS] * 2, [HOLDS] * 2, "NGF flattens the model."),
    ([HOLDS] * 2, [OPEN] * 2, "NGF flattens the model over all parameters; in the tuned layer "
     "that is not resolved."),
    ([FAILS] * 2, [FAILS] * 2, "NGF leaves the model sharper, not flatter."),
    ([FAILS] * 2, [FAILS, OPEN], "NGF leaves the model sharper, not flatter, in 3 of 4 readings."),
    ([OPEN] * 2, [OPEN] * 2, "Whether NGF flattens the model is not resolved."),
    ([FAILS, OPEN], [HOLDS, OPEN],
     "NGF flattens the model in 1 of 4 readings and sharpens it in 1.")])
def test_purified_against_backdoored(over_all, in_layer, sentence):
    (found,) = findings(readings("ngf", over_all=over_all, in_layer=in_layer))
    assert found.sentence == sentence


def test_the_evidence_counts_readings_and_names_ratios_and_pairs():
    (found,) = findings(readings("ngf", over_all=[FAILS, FAILS, HOLDS], in_layer=[OPEN]))
    assert found.evidence == (
        "Over all parameters: sharper in 2 of 3 readings, flatter in 1; mean ratio 0.50 to 2.00. "
        "In the tuned layer: not resolved in 1 of 1 reading; mean ratio 1.10 to 1.10. "
        "n = 42 pairs of models.")


def test_sgd_and_fine_tuning_share_a_finding_and_are_told_apart():
    both = pd.concat([readings("sgd", over_all=[FAILS], in_layer=[FAILS]),
                      readings("finetune", over_all=[OPEN], in_layer=[OPEN])])
    (found,) = findings(both)
    assert found.sentence == ("One-layer SGD leaves the model sharper, not flatter. "
                              "Whether full fine-tuning flattens the model is not resolved.")
    assert found.evidence.startswith("One-layer SGD. Over")
    assert "Full fine-tuning. Over" in found.evidence


def test_ngf_on_a_layer_chosen_by_rule_shares_ngfs_finding():
    both = pd.concat([readings("ngf", over_all=[FAILS], in_layer=[FAILS]),
                      readings(BY_RULE, over_all=[FAILS, OPEN], in_layer=[])])
    (found,) = findings(both)
    assert found.sentence == (
        "NGF leaves the model sharper, not flatter. NGF on a layer chosen by rule leaves the model "
        "sharper, not flatter, in 1 of 2 readings over all parameters.")
    assert found.evidence.count("In the tuned layer") == 1


def test_what_was_not_compared_has_no_finding():
    nothing = readings("ngf", over_all=[], in_layer=[])
    assert findings(pd.DataFrame(nothing, columns=["comparison"])) == []
