"""The published figures: complete, and as the paper's own averages say."""

import pytest

from ngf_core.attacks import ATTACKS
from ngf_core.evidence.published import SECONDS, beside, published
from ngf_core.purify.registry import PURIFIERS

TABLE = published()
NFT = TABLE[TABLE["paper"].str.contains("NFT")]


def test_names_are_those_of_the_registries():
    assert set(TABLE["attack"]) == set(ATTACKS)
    assert set(TABLE["defense"]) | set(SECONDS) <= set(PURIFIERS)
    assert len(TABLE) == 14 * 6 + 11 * 6 + 8 * 2
    assert not TABLE.duplicated(["paper", "dataset", "attack", "defense"]).any()


@pytest.mark.parametrize("defense, drop", [
    ("anp", 92.63), ("ibau", 88.10), ("rnp", 92.06), ("awm", 89.85), ("ft_sam", 91.61),
    ("nft", 95.73)])
def test_mean_drops_are_those_recomputed_from_the_paper(defense, drop):
    rows = NFT[(NFT["dataset"] == "CIFAR10") & (NFT["defense"] == defense)]
    assert (rows["asr_before"] - rows["asr"]).mean() == pytest.approx(drop, abs=0.006)


def test_both_papers_start_from_the_same_models():
    """But for Trojan's name and rounding, the received models of FIP's Table 6 are NFT's."""
    cifar = TABLE[TABLE["dataset"] == "CIFAR10"]
    starts = cifar.groupby("attack")[["asr_before", "acc_before"]].agg(lambda x: x.max() - x.min())
    assert starts["asr_before"].max() == 0 and starts["acc_before"].max() <= 0.03


def test_sharpness_is_given_by_fip_alone():
    told = TABLE.dropna(subset="lambda_max")
    assert set(told["table"]) == {"Table 6"} and len(told) == 16
    row = told[(told["attack"] == "issba") & (told["defense"] == "fip")].iloc[0]
    assert (row["lambda_max"], row["trace"], row["asr"], row["acc"]) == (6.48, 40.53, 4.24, 90.18)


def test_means_beside_ours_are_over_the_attacks_asked_for():
    found = beside(["badnets", "blend", "cba"])
    assert found.loc["nft", ["asr", "acc", "n"]].tolist() == pytest.approx(
        [(1.74 + 0.31 + 21.60) / 3, (90.82 + 93.17 + 87.97) / 3, 3])
    assert found.loc["fip", "n"] == 2 and "FIP" in found.loc["fip", "source"]
    assert found.loc["anp", "n"] == 3 and "NFT" in found.loc["anp", "source"]
    assert "ngf" not in found.index


def test_nothing_published_for_no_attack():
    assert beside([]).empty
