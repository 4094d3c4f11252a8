"""NGF against SGD with the presets of Fashion-MNIST: the table of known ends, and what was kept."""

import json

from benchmarks.own_presets import ASKED, OUT, SEEDS, TABLE, chosen, table
from ngf_core.evidence import load
from ngf_core.purify import NGF, SGD
from tests.support.fabricated_benchmark import cells


def test_the_settings_are_those_that_the_rule_took():
    ngf, sgd = chosen()
    assert (type(ngf), type(sgd)) == (NGF, SGD) and ngf.layer == sgd.layer == "last"
    assert (ngf.kl_bound, sgd.lr) == (0.1, 0.3)


def test_both_presets_stand_side_by_side_and_are_compared_on_the_same_models():
    before = cells(("wanet", "badnets"), (0, 1), ("ngf", "sgd"))
    before.loc[before["entrant"] == "ngf", "asr_hits"] = before["asr_n"] // 5
    before.loc[before["entrant"] == "sgd", "asr_hits"] = before["asr_n"] // 10
    rows = [{"attack": attack, "seed": seed, "method": method, "acc": 0.9,
             "asr": {"ngf": 0.1, "sgd": 0.4}[method] + 0.02 * seed}
            for attack in ("wanet", "badnets") for seed in (0, 1) for method in ("ngf", "sgd")]
    told = table(rows, before).splitlines()
    assert told[2] == "| BadNets | 20.0 / 20.0 | 10.0 / 10.0 | 10.0 / 12.0 | 40.0 / 42.0 |"
    assert told[4].startswith("| mean ASR (n = 4) | 20.0 [20.0, 20.0] | 10.0 [10.0, 10.0] | 11.0 [")
    assert told[-5].startswith("With the presets of `signs`, NGF minus SGD is 10.0 points "
                               "[10.0, 10.0] of ASR and ")
    assert told[-3] == ("With their own presets, NGF minus SGD is −30.0 points [−30.0, −30.0] of "
                        "ASR and 0.0 points [0.0, 0.0] of ACC.")
    assert told[-1].startswith("From the presets of `signs` to their own, the ASR that NGF leaves "
                               "changes by −9.0 points [−")
    assert " SGD by +31.0 points [+" in told[-1]
    assert told[-1].endswith("and NGF minus SGD by −40.0 points [−40.0, −40.0].")


def test_what_is_kept_is_every_model_with_both_methods_and_its_table():
    kept = json.loads(OUT.read_text())
    assert [(row["attack"], row["seed"], row["method"]) for row in kept["rows"]] == [
        (attack, seed, method) for attack in ASKED for seed in SEEDS for method in ("ngf", "sgd")]
    assert kept["settings"] == [str(own) for own in chosen()]
    assert kept["environment"]["git"]["dirty"] is False
    assert OUT.with_suffix(".md").read_text() == table(kept["rows"], load("cells", TABLE))
