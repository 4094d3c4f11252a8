"""The claim at four sizes: known ratios and rates, the verdicts, and what is said of each size."""

import json
import math
import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from ngf_core.cli.main import _parser as parser_of
from ngf_core.errors import NGFError
from ngf_core.evidence import TABLES
from ngf_core.evidence.folders import PROTOCOL, SIZES
from ngf_core.evidence.sizes import (
    EXPECTED,
    FLATTER,
    PARTS,
    REMOVED,
    SHARPER,
    WEIGHTS,
    command,
    means,
    models,
    sizes,
)
from ngf_core.evidence.sizes_report import claim_at_sizes
from ngf_core.evidence.sizes_words import finding, sentence
from ngf_core.evidence.verdict import FAILS, HOLDS, OPEN
from ngf_core.models.build import build_model
from tests.support.fabricated_sizes import ASR, FACTORS, write

MINI, W16, W32, W64 = WEIGHTS
T_2 = 4.302653  # Student's t with two degrees of freedom, 97.5 %


def row(found: pd.DataFrame, part: str, model: str, measure: str) -> pd.Series:
    (one,) = (of for _, of in found.iterrows()
              if (of["part"], of["model"], of["measure"]) == (part, model, measure))
    return one


def rated(asr: dict[str, float], folder, **known) -> pd.Series:
    """The row that judges the removal where all models end with these ASR."""
    write(folder, MINI, asr=ASR | asr, **known)
    return row(means(sizes(folder)), REMOVED, "ngf", "asr")


def test_each_part_has_the_ratios_and_rates_that_were_put_in(tmp_path):
    write(tmp_path, W16)
    found = means(sizes(tmp_path))
    for part, model, ratio, verdict in ((SHARPER, "backdoored", 2, HOLDS),
                                        (FLATTER, "ngf", 0.5, HOLDS),
                                        (FLATTER, "finetune", 2, FAILS)):
        for measure in ("lambda_max", "adaptive_trace"):
            one = row(found, part, model, measure)
            assert (one["mean"], one["low"], one["high"]) == pytest.approx((ratio,) * 3)
            assert (one["verdict"], one["n"], one["seeds"]) == (verdict, 9, "0, 1, 2")
    rates = {name: row(found, REMOVED, name, "asr")["mean"] for name in ASR}
    assert rates == pytest.approx(ASR)
    assert row(found, REMOVED, "ngf", "acc")["mean"] == pytest.approx(0.98)
    assert set(found["weights"]) == {WEIGHTS[W16]} and set(found["limit"]) == {0}


def test_interval_and_spread_in_closed_form(tmp_path):
    """With one seed only attacks vary: of x-d, x, x+d the mean has the variance d^2 / 3."""
    one = rated({"ngf": 0.3}, tmp_path, seeds=[0], swing=0.1)
    half = T_2 * 0.1 / math.sqrt(3)
    assert (one["mean"], one["low"], one["high"]) == pytest.approx((0.3, 0.3 - half, 0.3 + half))
    assert one["spread"] == pytest.approx(0.1) and one["n"] == 3 and one["seeds"] == "0"


def test_a_point_is_one_model(tmp_path):
    write(tmp_path, MINI)
    found = models(sizes(tmp_path))
    mine = found[(found["part"] == FLATTER) & (found["model"] == "ngf")
                 & (found["measure"] == "trace")]
    assert len(mine) == 9 and not mine.duplicated(["attack", "seed"]).any()
    assert mine["value"].tolist() == pytest.approx([0.5] * 9)


@pytest.mark.parametrize(("asr", "swing", "verdict"), [
    ({"ngf": 0.05, "sgd": 0.85}, 0.0, HOLDS),
    ({"ngf": 0.30, "sgd": 0.85}, 0.0, FAILS),  # NGF leaves it too
    ({"ngf": 0.01, "sgd": 0.04}, 0.0, FAILS),  # SGD removes it too
    ({"ngf": 0.30, "sgd": 0.20}, 0.0, FAILS),
    ({"ngf": 0.08, "sgd": 0.85}, 0.1, OPEN),  # by its interval NGF may leave it
])
def test_the_removal_holds_where_ngf_removes_what_sgd_leaves(asr, swing, verdict, tmp_path):
    assert rated(asr, tmp_path, swing=swing)["verdict"] == verdict


def test_a_rule_for_the_layer_counts_where_it_takes_part_and_is_not_missed(tmp_path):
    write(tmp_path, MINI, asr=ASR | {"ablate_auto_layer": 0.02})
    write(tmp_path / "sizes" / "one", W16)
    found = means(sizes(tmp_path))
    assert row(found[found["arch"] == MINI], REMOVED, "ablate_auto_layer", "asr")["verdict"] \
        == HOLDS
    assert "ablate_auto_layer" not in set(found[found["arch"] == W16]["model"])


@pytest.fixture
def four(tmp_path):
    """Sizes at which the first part holds, does not, is not resolved, and one without tables."""
    write(tmp_path, MINI)
    write(tmp_path / "sizes" / "a", W16, factors=FACTORS | {"backdoored": 0.5})
    write(tmp_path / "sizes" / "b", W32, factors=FACTORS | {"backdoored": 1.0}, spread=0.3)
    return tmp_path


def test_the_sentence_names_every_size_once(four):
    told = sentence(means(sizes(four)), SHARPER, "signs")
    assert told.startswith("Backdoored models are sharper than benign ones by λ_max: on Signs, by "
                           "number of weights, this holds at 78 thousand (2.00 times [2.00, 2.00], "
                           "n = 9, seeds 0, 1, 2); does not hold at 0.7 million (0.50 times [")
    assert "; is not resolved at 2.8 million (" in told
    assert told.endswith("; has not been measured at 11.2 million.")
    other = sentence(means(sizes(four)), SHARPER, "fashion_mnist", "trace")
    assert other.endswith("by trace: on Fashion-MNIST this has not been measured at any size.")


def test_several_sizes_with_one_answer_are_listed(tmp_path):
    for arch in (MINI, W16):
        write(tmp_path / "sizes" / arch, arch)
    told = finding(means(sizes(tmp_path)), REMOVED, "signs")
    assert "holds at 78 thousand (ASR 5.0 % [5.0, 5.0] after NGF, 85.0 % [85.0, 85.0] after " \
        "SGD, n = 9, seeds 0, 1, 2) and 0.7 million (" in told
    assert "has not been measured at 2.8 million and 11.2 million." in told


@pytest.mark.parametrize(("attacks", "seeds", "said"), [
    (("badnets",), [1], "only 1 model, seed 1"),
    (("badnets",), [0, 2], "only 2 models, seeds 0, 2"),
    (("badnets", "blend", "wanet"), [0], "only 3 models, seed 0"),
])
def test_few_models_are_said(attacks, seeds, said, tmp_path):
    write(tmp_path, MINI, attacks=attacks, seeds=seeds)
    for part in PARTS:
        assert said in sentence(means(sizes(tmp_path)), part, "signs")


def test_one_benign_model_decides_nothing(tmp_path):
    write(tmp_path, MINI, seeds=[0])
    told = finding(means(sizes(tmp_path)), SHARPER, "signs")
    assert "is not resolved at 78 thousand (2.00 times, only 3 models, seed 0)" in told


def test_without_sgd_only_the_removal_is_not_measured(tmp_path):
    write(tmp_path, MINI, asr={"before": 0.97, "ngf": 0.05})
    found = means(sizes(tmp_path))
    assert "not been measured at any size" in finding(found, REMOVED, "signs")
    assert "holds at 78 thousand" in finding(found, FLATTER, "signs")


def test_rates_are_of_models_that_both_have_purified(tmp_path):
    write(tmp_path, MINI)
    cells = pd.read_parquet(tmp_path / "cells.parquet")
    gone = (cells["entrant"] == "sgd") & (cells["seed"] == 1)
    cells[~gone].to_parquet(tmp_path / "cells.parquet")
    found = means(sizes(tmp_path))
    assert {row(found, REMOVED, name, "asr")["n"] for name in ASR} == {6}


def test_other_attacks_networks_and_halves_of_tables_do_not_count(tmp_path):
    write(tmp_path, MINI, attacks=("badnets", "sig"))
    write(tmp_path / "sizes" / "vgg", "mini_vgg")
    write(tmp_path / "sizes" / "half", W16)
    (tmp_path / "sizes" / "half" / "claim.parquet").unlink()
    found = means(sizes(tmp_path))
    assert set(found["arch"]) == {MINI} and set(found["n"]) == {3}


def test_a_folder_of_its_own_stands_for_the_main_table(tmp_path):
    write(tmp_path, MINI)
    write(tmp_path / "sizes" / "mini", MINI, factors=FACTORS | {"backdoored": 3.0},
          train={"limit": 50, "epochs": 5})
    one = row(means(sizes(tmp_path)), SHARPER, "backdoored", "trace")
    assert (one["mean"], one["limit"], one["epochs"]) == (pytest.approx(3), 50, 5)


def test_tables_without_any_row_are_not_measured(tmp_path):
    write(tmp_path, MINI)
    for name in ("cells", "claim"):
        path = tmp_path / f"{name}.parquet"
        pd.read_parquet(path).iloc[:0].to_parquet(path)
    assert means(sizes(tmp_path)).empty and models(sizes(tmp_path)).empty


def test_nothing_at_all_is_said_and_not_invented(tmp_path):
    told = claim_at_sizes(tmp_path)
    assert told.count("has not been measured at any size.") == 6 and "|" not in told


def test_a_damaged_protocol_is_told(tmp_path):
    (write(tmp_path, MINI) / "protocol.json").write_text("{")
    with pytest.raises(NGFError, match="protocol.json is damaged. Restore it"):
        sizes(tmp_path)


def test_the_document_has_the_sentences_and_the_numbers(four):
    told = claim_at_sizes(four)
    sentences, ratios, rates, tally, _ = told.strip().split("\n\n")
    assert sentences.splitlines()[0] == f"- {sentence(means(sizes(four)), SHARPER, 'signs')}"
    assert "| Signs | 78 thousand | backdoored / benign | ✓ 2.00 [2.00, 2.00] |" in ratios
    assert "| Signs | 0.7 million | backdoored / benign | ✗ 0.50 [0.50, 0.50] |" in ratios
    assert "| 78 thousand | all images, 20 epochs | 97.0 [97.0, 97.0] ± 0.0 | ✓ 5.0 [" in rates
    assert ratios.splitlines()[2].endswith("| 9 | 0, 1, 2 |") and "nan" not in told
    # Three sizes by four measures by two sets of images: it holds at one size, fails at one.
    assert "| backdoored / benign | all | 24 | 8 | 8 | 8 |" in tally
    assert tally.count("| all |") == tally.count("| layer |") == 4


def test_one_model_is_not_tallied(tmp_path):
    write(tmp_path, MINI, attacks=("badnets",), seeds=[0])
    write(tmp_path / "sizes" / "one", W16)
    assert "| NGF / backdoored | all | 8 | 8 | 0 | 0 |" in claim_at_sizes(tmp_path)


def test_a_mean_of_fewer_models_than_its_line_has_says_so(tmp_path):
    folder = write(tmp_path, W16)
    cells = pd.read_parquet(folder / "cells.parquet")
    cells[(cells["entrant"] != "finetune") | (cells["seed"] == 0)].to_parquet(
        folder / "cells.parquet")
    (line,) = (line for line in claim_at_sizes(tmp_path).splitlines() if "20 epochs" in line)
    cells = [cell.strip() for cell in line.split("|")]
    assert [cell.endswith("(n = 3)") for cell in cells].count(True) == 2, "ASR and ACC"
    assert cells[-3:-1] == ["9", "0, 1, 2"]


def test_a_size_is_computed_by_an_ordinary_command():
    assert command("signs", MINI) == (
        "python -m ngf_core benchmark --arch mini_preact_resnet --attacks badnets blend wanet "
        "--methods ngf sgd finetune ablate_auto_layer "
        "--tables assets/benchmark/sizes/signs-mini_preact_resnet")
    assert " --limit 500 " in command("fashion_mnist", MINI)


@pytest.mark.parametrize("dataset", EXPECTED)
@pytest.mark.parametrize("arch", [MINI, W32, W64])
def test_make_evidence_computes_it_so(dataset, arch):
    place = f"/{dataset}-{arch}"
    (told,) = (line for line in _planned() if line.endswith(place))
    assert _asked(told) == _asked(command(dataset, arch))


def test_fashion_mnists_main_network_is_computed_by_the_two_commands_of_the_makefile():
    """Its cells are of more attacks than are measured."""
    place = TABLES / SIZES / f"fashion_mnist-{W16}"
    kept = json.loads((place / PROTOCOL).read_text())["command"].split(" && ")
    planned = [_asked(line) for line in _planned()]
    assert len(kept) == 2 and all(_asked(line) in planned for line in kept)
    assert _asked(command("fashion_mnist", W16)).seeds == [0, 1]


def _planned():
    """The benchmark's lines of `make evidence`."""
    makefile = (Path(__file__).parents[3] / "Makefile").read_text().replace("\\\n", " ")
    names = dict(re.findall(r"^(\w+) := (.*)$", makefile, re.MULTILINE))
    return [_expanded(line, names) for line in makefile.splitlines()
            if line.startswith("\t$(BENCHMARK)")]


def _expanded(line, names):
    for _ in names:  # a variable may name others
        line = re.sub(r"\$\((\w+)\)", lambda name: names.get(name[1], ""), line)
    return line


def _asked(line):
    """What the command line asks for, whatever the order of its words."""
    words = shlex.split(line.partition("ngf_core ")[2])
    return parser_of(words).parse_args(words)


@pytest.mark.parametrize("arch", list(WEIGHTS))
def test_the_weights_are_those_of_the_networks(arch):
    counted = sum(weight.numel() for weight in build_model(arch, (3, 32, 32), 10).parameters())
    assert counted == WEIGHTS[arch]
