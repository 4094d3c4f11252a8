"""What happens between the first step and the last, on paths that are written down."""

import pandas as pd
import pytest

from ngf_core.evidence.along import along, along_the_tuning


def path(entrant, attack, asr, acc=None):
    acc = acc or [0.99] * len(asr)
    return pd.DataFrame({"entrant": entrant, "attack": attack, "seed": 0, "asr": asr, "acc": acc,
                         "step": [10 * place for place in range(len(asr))]})


def test_what_comes_back_and_what_moves_late():
    swung = path("ngf", "badnets", [1.0, 0.1, 0.6, 0.3, 0.2, 0.25],
                 [0.99, 0.75, 0.98, 1.0, 0.98, 0.97])
    fallen = path("ngf", "blend", [0.9, 0.5, 0.2, 0.2, 0.1, 0.05])
    found = along(pd.concat([swung, fallen]).sample(frac=1, random_state=0)).set_index("attack")
    assert found.loc["badnets", ["return", "late", "dip"]].tolist() == pytest.approx(
        [0.5, 0.1, 0.24])
    assert found.loc["blend", ["return", "late", "dip"]].tolist() == pytest.approx([0, 0.15, 0])


def test_each_method_is_told_with_its_models():
    told = along_the_tuning(pd.concat([
        path("ngf", "badnets", [1.0, 0.1, 0.6, 0.3, 0.2, 0.25]),
        path("ngf", "blend", [0.9, 0.5, 0.2, 0.2, 0.1, 0.05]),
        path("sgd", "blend", [0.9, 0.9, 0.9])]))
    assert told.splitlines()[2:] == [
        "| NGF | 25.0, 50.0 | 1 of 2 | 12.5, 15.0 | 1 of 2 | 0.0, 0.0 |",
        "| SGD | 0.0, 0.0 | 0 of 1 | 0.0, 0.0 | 0 of 1 | 0.0, 0.0 |"]


def test_without_a_path_there_is_no_table():
    assert along_the_tuning(path("ngf", "blend", [])) == ""
