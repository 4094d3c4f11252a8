"""SGD at two rates: the table of known ends, and what was kept."""

import json

from benchmarks.sgd_rate import OUT, RATES, table
from ngf_core.attacks import ATTACKS


def rows(gap):
    """Attacks that differ, and rates that differ by `gap` on each."""
    return [{"attack": attack, "seed": 0, "lr": rate, "acc": 0.9,
             "asr": left + gap * (rate == RATES[0])}
            for attack, left in (("badnets", 0.1), ("blend", 0.3)) for rate in RATES]


def test_means_and_their_paired_difference():
    told = table(rows(0.5)).splitlines()
    assert told[2] == "| BadNets | 60.0 | 10.0 |"
    assert told[4] == "| mean (n = 2) | 70.0 [0.0, 100.0] | 20.0 [0.0, 100.0] |"
    assert told[-1] == "At 0.01 SGD leaves 50.0 points [50.0, 50.0] more than at 1.0."


def test_what_is_kept_is_every_attack_at_both_rates_and_its_table():
    kept = json.loads(OUT.read_text())
    assert [(row["attack"], row["lr"]) for row in kept["rows"]] == [
        (attack, rate) for attack in ATTACKS for rate in RATES]
    assert kept["environment"]["git"]["dirty"] is False
    assert OUT.with_suffix(".md").read_text() == table(kept["rows"])
