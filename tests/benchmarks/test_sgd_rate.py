"""SGD at two rates: the table of known ends, and what was kept."""

import json

from benchmarks.sgd_rate import OUT, RATES, table
from ngf_core.attacks import ATTACKS


def rows(gap):
    """Attacks that differ, and rates that differ by `gap` on each."""
    return [{"attack": attack, "seed": 0, "lr": rate, "acc": 0.9,
             "asr": left + gap * (rate == RATES[0])}
            for attack, left in (("badnets", 0.18), ("blend", 0.2), ("wanet", 0.22))
            for rate in RATES]


def test_means_and_their_paired_difference():
    told = table(rows(0.5)).splitlines()
    assert told[2] == "| BadNets | 68.0 | 18.0 |"
    assert told[5] == "| mean (n = 3) | 70.0 [65.0, 75.0] | 20.0 [15.0, 25.0] |"
    assert told[-1] == "At 0.01 SGD leaves 50.0 points [50.0, 50.0] more than at 1.0."


def test_what_is_kept_is_every_attack_at_both_rates_and_its_table():
    kept = json.loads(OUT.read_text())
    assert [(row["attack"], row["lr"]) for row in kept["rows"]] == [
        (attack, rate) for attack in ATTACKS for rate in RATES]
    assert kept["environment"]["git"]["dirty"] is False
    assert OUT.with_suffix(".md").read_text() == table(kept["rows"])
