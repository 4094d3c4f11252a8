"""Attack by attack: what is left of each, and which models fell short of an attack's aims."""

import pytest

from ngf_core.attacks import ATTACKS
from ngf_core.attacks.aim import MOST_FLOOR
from ngf_core.evidence.by_attack import attack_by_attack, short_of_aims
from tests.support.fabricated_benchmark import TEST, TRIGGERED, cells


@pytest.fixture
def table():
    return cells(("wanet", "badnets"), (3, 4), ("ngf", "sgd"))


def put(table, attack, seed, entrant, **hits):
    at = (table["attack"] == attack) & (table["seed"] == seed) & (table["entrant"] == entrant)
    assert at.sum() == 1
    for name, value in hits.items():
        table.loc[at, name] = value


def rows(told):
    told = told.partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in told.splitlines()]


def test_every_seed_of_an_attack_stands_in_a_cell(table):
    put(table, "badnets", 4, "ngf", asr_hits=TRIGGERED // 2)
    head, _, badnets, wanet = rows(attack_by_attack(table, "asr"))
    assert head == ["ASR % at seeds 3, 4", "floor", "backdoored", "NGF", "SGD"]
    assert [badnets[0], wanet[0]] == [ATTACKS["badnets"].title, ATTACKS["wanet"].title]
    assert badnets[1:3] == ["1.0 / 1.0", "97.0 / 97.0"] and badnets[3].endswith(" / 50.0")


def test_the_other_rates_have_tables_of_their_own(table):
    put(table, "badnets", 4, "ngf", acc_hits=TEST // 4)
    head, _, badnets, _ = rows(attack_by_attack(table, "acc"))
    assert head == ["ACC % at seeds 3, 4", "benign", "backdoored", "NGF", "SGD"]
    assert badnets[3].endswith(" / 25.0") and badnets[1] == "99.1 / 99.1"


def test_a_single_seed_is_one(table):
    head, *_ = rows(attack_by_attack(table[table["seed"] == 3], "asr"))
    assert head[0] == "ASR % at seed 3"


def test_a_cell_that_is_missing_is_a_dash(table):
    apart = (table["attack"] == "wanet") & (table["seed"] == 3) & (table["entrant"] == "sgd")
    assert rows(attack_by_attack(table[~apart], "asr"))[3][4].startswith("– / ")


def test_what_misses_no_aim_has_no_row(table):
    assert short_of_aims(table) == ""
    assert short_of_aims(table[table["group"] != "model"]) == ""


def test_each_aim_that_is_missed_is_bold(table):
    put(table, "wanet", 3, "before", asr_hits=round(TRIGGERED * 0.89))
    put(table, "badnets", 4, "before", acc_hits=round(TEST * (0.991 - 0.021)))
    put(table, "badnets", 3, "benign", asr_hits=round(TRIGGERED * MOST_FLOOR) + 1)
    _, _, *told = rows(short_of_aims(table))
    assert [row[:2] for row in told] == [[ATTACKS[name].title, seed] for name, seed in (
        ("badnets", "3"), ("badnets", "4"), ("wanet", "3"))]
    assert [[cell.startswith("**") for cell in row[2:]] for row in told] == [
        [False, False, True], [False, True, False], [True, False, False]]
    assert told[1][3] == "**2.1**"


@pytest.mark.parametrize(("short", "which"), [
    ([("wanet", 3)], "this model"), ([("wanet", 3), ("wanet", 4)], "these 2 models")])
def test_the_means_without_those_models_are_those_of_the_others(table, short, which):
    """With the models that did not take, NGF would leave more than SGD."""
    for attack in ("wanet", "badnets"):
        for seed in (3, 4):
            more = {3: 0, 4: TRIGGERED // 10}[seed]  # of both, and so not of their difference
            leaves = TRIGGERED if (attack, seed) in short else TRIGGERED // 4 + more
            put(table, attack, seed, "ngf", asr_hits=leaves)
            put(table, attack, seed, "sgd", asr_hits=TRIGGERED // 2 + more)
    for attack, seed in short:
        put(table, attack, seed, "before", asr_hits=round(TRIGGERED * 0.89))
    told = short_of_aims(table).split("\n\n")[1]
    ngf, sgd = {1: ("31.7 % [0.9, 62.4]", "56.7 % [25.9, 87.4]"),
                2: ("30.0 % [0.0, 93.5]", "55.0 % [0.0, 100.0]")}[len(short)]
    assert told == (f"- Without {which} NGF leaves an ASR of {ngf} and one-layer SGD {sgd}; "
                    f"NGF minus SGD −25.0 points [−25.0, −25.0] (n = {4 - len(short)}).")
    assert "\n\n" not in short_of_aims(table[table["entrant"] != "sgd"])


def test_two_points_of_accuracy_are_within_the_aim(table):
    put(table, "badnets", 4, "before", acc_hits=TEST - 9 - 20)
    assert short_of_aims(table) == ""


@pytest.mark.parametrize("gone", ["one benign model", "all benign models"])
def test_an_aim_without_a_benign_model_to_judge_it_by_is_a_dash(table, gone):
    put(table, "wanet", 3, "before", asr_hits=round(TRIGGERED * 0.89))
    benign = table["entrant"] == "benign"
    left = table[~(benign & (table["seed"] == 3) if gone == "one benign model" else benign)]
    _, _, (*told,) = rows(short_of_aims(left))
    assert told == [ATTACKS["wanet"].title, "3", "**89.0**", "–", "–"]
