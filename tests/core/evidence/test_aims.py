"""The aims: met, missed or not to be told, from the table alone."""

import pytest

from ngf_core.attacks import ATTACKS
from ngf_core.evidence.aims import aims
from tests.support.fabricated_benchmark import cells

FIELD = ("ngf", "sgd", "finetune", "clp", "anp", "nad")


def table(**changes):
    """All cells of an entrant set to values, e.g. sgd={"asr_hits": 0}; badnets and blend alone."""
    made = cells(("badnets", "blend"), (0, 1, 2), FIELD)
    made.loc[made["entrant"].isin(["anp", "nad"]), "der"] = 0.1
    for name, values in changes.items():
        for column, value in values.items():
            made.loc[made["entrant"] == name, column] = value
    return made


def test_met_with_their_figures():
    removed, below, top, cheap = aims(table(ngf={"asr_hits": 45, "acc_hits": 975, "der": 0.99},
                                            sgd={"asr_hits": 450}))
    assert removed.met is None and removed.found.endswith("On 2 of 14 attacks that is no verdict.")
    assert "ASR 5.0 % [5.0, 5.0], ACC drop 1.5 points" in removed.found
    assert "6 attack-seed cells" in removed.found
    assert below.met is None
    assert "2 of 2 attacks computed, out of 14; resolved over its seeds on 2." in below.found
    assert "−45.0 points" in below.found
    assert top.met and "the 1st of 6" in top.found
    assert not cheap.met and cheap.found.index("CLP 0.0") < cheap.found.index("NGF 9.0")


def test_the_first_aims_tell_each_seed():
    made = table(ngf={"asr_hits": 45}, sgd={"asr_hits": 180})
    made.loc[(made["entrant"] == "ngf") & (made["seed"] == 1), "asr_hits"] = 90
    assert "seed by seed: 5.0 % (0), 10.0 % (1), 5.0 % (2)." in aims(made)[0].found
    assert "Seed by seed: −15.0 (0), −10.0 (1), −15.0 (2)." in aims(made)[1].found
    assert "eed by seed" not in "".join(aim.found for aim in aims(made[made["seed"] == 1]))


def test_each_half_of_the_first_aim_can_miss_it():
    assert removal(asr_hits=90, acc_hits=970) is True
    assert removal(asr_hits=91, acc_hits=970) is removal(asr_hits=90, acc_hits=969) is False
    assert aims(table(ngf={"asr_hits": 91, "acc_hits": 970}))[0].met is None


def removal(**hits):
    """The first aim's verdict with these hits of NGF on every attack."""
    made = cells(tuple(ATTACKS), (0,), ("ngf",))
    for column, value in hits.items():
        made.loc[made["entrant"] == "ngf", column] = value
    return aims(made)[0].met


def test_equal_on_one_attack_is_not_below_on_every_attack():
    made = table(ngf={"asr_hits": 45}, sgd={"asr_hits": 450})
    made.loc[(made["entrant"] == "sgd") & (made["attack"] == "blend"), "asr_hits"] = 45
    below = aims(made)[1]
    assert below.met is False
    assert "1 of 2 attacks computed, out of 14; resolved over its seeds on 1 (BadNets); it is " \
        "equal on Blend (5.0 %)." in below.found
    made.loc[(made["entrant"] == "sgd") & (made["attack"] == "blend"), "asr_hits"] = 44
    assert "(BadNets); not on Blend (5.0 against 4.9 %)." in aims(made)[1].found
    alone = aims(made[made["seed"] == 0])[1]
    assert alone.met is None
    assert alone.found.endswith(" With one seed no margin can be resolved.")


def test_lower_on_every_attack_is_an_aim_where_each_margin_is_resolved():
    made = cells(tuple(ATTACKS), (0, 1, 2), ("ngf", "sgd"))
    made.loc[made["entrant"] == "ngf", "asr_hits"] = 45
    made.loc[made["entrant"] == "sgd", "asr_hits"] = 450
    assert aims(made)[1].met is True
    made.loc[(made["entrant"] == "sgd") & (made["attack"] == "sig") & (made["seed"] == 1),
             "asr_hits"] = 45
    below = aims(made)[1]
    assert below.met is None and "on 14 of 14; resolved over its seeds on 13 (" in below.found
    assert aims(made[made["seed"] == 0])[1].met is None, "one seed resolves nothing"


def test_where_it_is_not_the_best_it_says_who_is_ahead_and_the_ties():
    made = table(ngf={"der": 0.5}, sgd={"der": 0.9}, finetune={"der": 0.8}, clp={"der": 0.7})
    _, _, top, cheap = aims(made)
    assert not top.met and "the 4th of 6" in top.found
    assert "its rank is 4 (over 6 cells that all share)." in top.found
    assert "Ahead of it: SGD 90.0 %, Fine-tuning 80.0 %, CLP 70.0 %." in top.found
    assert not cheap.met  # CLP takes no time


def test_the_second_place_is_not_the_best():
    top = aims(table(ngf={"der": 0.8}, sgd={"der": 0.9}, finetune={"der": 0.6}, clp={"der": 0.5}))
    assert top[2].met is False and "the 2nd of 6" in top[2].found


@pytest.mark.parametrize("mean", [0.9, 0.8])
@pytest.mark.parametrize("tied, met", [(3, True), (4, False)])
def test_the_first_rank_may_be_tied_with_three_and_no_more(tied, met, mean):
    """The rank counts and not the mean, which may be below that of one it is tied with."""
    made = table(ngf={"der": mean}, sgd={"der": 0.1}, finetune={"der": 0.1}, clp={"der": 0.1})
    names = ["sgd", "finetune", "clp", "anp"][:tied]
    high = made["entrant"].isin(names) & (made["attack"] == "blend")
    made.loc[high, "der"] = 1.6  # a mean of 0.85, of two attacks that differ: not resolved
    top = aims(made)[2]
    assert top.met is met and f"its rank is 1–{tied + 1} " in top.found


def test_cheapest_counts_processor_seconds_among_the_top_five():
    made = table(ngf={"cpu_seconds": 1.0, "seconds": 99.0}, clp={"cpu_seconds": 2.0})
    assert aims(made)[3].met


def test_means_are_compared_on_the_cells_that_all_share():
    """CLP was computed on the attack alone where NGF fails, and is worse there."""
    made = table(ngf={"der": 0.9}, sgd={"der": 0.55}, finetune={"der": 0.5}, clp={"der": 0.4})
    made.loc[(made["entrant"] == "ngf") & (made["attack"] == "blend"), "der"] = 0.45
    made.loc[(made["entrant"] == "ngf") & (made["attack"] == "blend"), "cpu_seconds"] = 77
    partial = made[(made["entrant"] != "clp") | (made["attack"] == "blend")]
    top, cheap = aims(partial)[2:]
    assert "45.0 % is the 3rd of 6" in top.found and "over 3 cells" in top.found
    assert "NGF 77.0" in cheap.found
    assert "67.5 % is the 1st of 6" in aims(made)[2].found


def test_a_defense_that_has_just_begun_is_left_out_and_named():
    made = table(clp={"der": 1.0}, ngf={"der": 0.9}, sgd={"der": 0.5}, finetune={"der": 0.4})
    begun = made[(made["entrant"] != "clp") | ((made["attack"] == "blend") & (made["seed"] < 2))]
    top, cheap = aims(begun)[2:]
    assert "the 1st of 5" in top.found and "over 6 cells" in top.found
    assert "under half of its cells: CLP." in top.found and "CLP" not in cheap.found
    assert "Left out" not in aims(made)[2].found


@pytest.mark.parametrize("gone", ["ngf", "sgd"])
def test_without_the_cells_nothing_is_claimed(gone):
    made = table()
    verdicts = [aim.met for aim in aims(made[made["entrant"] != gone])]
    assert verdicts[1] is None and (gone == "sgd" or verdicts == [None] * 4)


def test_the_ablations_do_not_race():
    made = cells(("badnets",), (0, 1), ("ngf", "ablate_full_network"))
    made.loc[made["entrant"] == "ablate_full_network", ["der", "cpu_seconds"]] = [1.0, 0.0]
    top, cheap = aims(made)[2:]
    assert "the 1st of 1" in top.found and ": NGF 9.0. Fewer" in cheap.found
    assert top.met is None and cheap.met is None  # nobody to compare with


def test_a_reason_that_nothing_can_be_told_is_the_true_one():
    made = table()
    disjoint = made[(made["entrant"] != "clp") | (made["attack"] == "blend")]
    disjoint = disjoint[(disjoint["entrant"] != "ngf") | (disjoint["attack"] == "badnets")]
    assert [aim.found for aim in aims(disjoint)[2:]] == ["No cell is finished for all of them."] * 2
    removed = aims(made[made["entrant"] != "before"])[0]
    assert removed.met is None and "nan" not in removed.found
