"""The README's tables, against figures computed by hand from a made-up benchmark."""

import pytest

from ngf_core.evidence.measures import wide
from ngf_core.evidence.report import ablation, leaderboard, sharpness_claim
from tests.support import fabricated_claim
from tests.support.fabricated_benchmark import cells

ATTACKS = ("badnets", "blend", "sig", "wanet", "bpp")


def row(table: str, *begins: str) -> list[str]:
    """The cells of the first line that has these, from the left."""
    lines = [line[2:-2].split(" | ") for line in table.splitlines() if line.startswith("|")]
    return next(line for line in lines if all(begin in line for begin in begins))


def test_the_leaderboard_has_the_means_and_the_models_it_began_with():
    table = cells(ATTACKS)
    told = leaderboard(table)
    ngf = row(told, "NGF")
    assert float(ngf[2].split()[0]) == pytest.approx(100 * table[table.entrant == "ngf"].der.mean(),
                                                     abs=0.051)
    assert float(ngf[4].split()[0]) == pytest.approx(100 * wide(table, "asr").ngf.mean(), abs=0.051)
    assert ngf[-1] == "15" and "[" not in ngf[-2]
    assert row(told, "backdoored")[4].startswith("97.") and "[" in row(told, "Fine-tuning")[2]
    order = [line.split(" | ")[2] for line in told.splitlines()[4:]]
    ders = [float(text.split()[0]) for text in order]
    assert ders == sorted(ders, reverse=True) and len(ders) == 17


def test_the_ablation_tells_the_paired_difference_and_its_sign():
    told = ablation(cells(ATTACKS))
    asr = wide(cells(ATTACKS), "asr")
    gap = 100 * (asr.sgd - asr.ngf).mean()
    assert float(row(told, "no natural gradient")[4].split()[0]) == pytest.approx(gap, abs=0.051)
    assert row(told, "full NGF")[4] == "" and "Without the natural gradient ASR rises" in told


def test_an_ablation_that_has_not_begun_is_left_out():
    assert ablation(cells(ATTACKS, entrants=("ngf", "clp"))) == ""


def test_the_claim_tells_ratio_verdict_and_models():
    table = fabricated_claim.claim(list(ATTACKS), spread=0.05)
    told = sharpness_claim(table)
    sign, ratio = row(told, "backdoored / benign", "held-out", "all")[3].split()[:2]
    factors = fabricated_claim.FACTORS
    assert sign == "✓"
    assert float(ratio) == pytest.approx(factors["backdoored"] / factors["benign"], rel=0.2)
    assert row(told, "backdoored / benign")[-1] == "15" and "3 benign ones" in told


def test_pairs_without_a_ratio_are_left_empty():
    table = fabricated_claim.claim(list(ATTACKS))
    table.loc[(table.model == "ngf") & (table.measure == "trace"), "value"] = float("nan")
    told = sharpness_claim(table)
    assert row(told, "NGF / backdoored", "held-out", "all")[4] == "" and "nan" not in told
    assert sharpness_claim(table.iloc[:0]) == ""


def test_the_ablation_has_no_row_for_what_has_no_cell():
    told = ablation(cells(ATTACKS, entrants=("ngf", "sgd")))
    rows = [line.split(" | ")[0] for line in told.splitlines() if line.startswith("| ")]
    assert rows == ["| variant", "| ---", "| full NGF", "| no natural gradient"]
    assert "Not computed yet: without the regulariser" in told
