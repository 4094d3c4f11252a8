"""Numbers that a scene says in letters: each is computed here from the files, or named as one that
measures nothing."""

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from app.read.lesson.facts import CURED, NAMED
from app.read.lesson.scene import scenes
from ngf_core.paths import shipped
from tests.app.read.lesson.test_facts import results

NUMBER = re.compile(r"\b(two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty"
                    r"|half|halves|thirds?|quarters?|tenths?|hundred\w*|thousand\w*|million\w*"
                    r"|twice|dozens?)\b", re.IGNORECASE)
SHIPPED = {scene.name: scene for scene in scenes()}


def patch() -> tuple[int, ...]:
    """Height and width of the rectangle that the trigger of the first scene changes."""
    with np.load(shipped("assets", "zoo") / "signs-badnets-s0-train" / "samples.npz") as samples:
        changed = (samples["clean"] != samples["triggered"]).any((0, 1))
    return tuple(int(side.max() - side.min() + 1) for side in np.nonzero(changed))


def audited_networks() -> int:
    text = (shipped("assets", "audits") / "signs-ngf.txt").read_text(encoding="utf-8")
    return text.splitlines()[0].count("-ngf")


def risen() -> str:
    text = (shipped("assets", "audits") / "signs-ngf.txt").read_text(encoding="utf-8")
    found = re.search(r"At matched logits these rose: (.*?)\. None fell", text)
    assert found, text
    return found[1]


def seeds_of_ngf() -> int:
    cells = pd.read_parquet(shipped("assets", "benchmark") / "cells.parquet")
    return cells.query("method == 'ngf'").seed.nunique()


def relative_error() -> float:
    measured = results("signs-badnets-s0-spectrum")["before"]["sharpness"]["lambda_max"]
    return measured["sampling_error"] / measured["value"]


# Scene and words -> whether the files say so.
MEASURED: dict[tuple[str, str], Callable[[], bool]] = {
    ("backdoor", "three by three pixels"): lambda: patch() == (3, 3),
    ("fooled", "eight times smaller"):
        lambda: SHIPPED["fooled"].facts["small"] == f"rescaled lambda_max {1 / 8}",
    ("fooled", "eight times larger"):
        lambda: SHIPPED["fooled"].facts["small"] == f"rescaled lambda_max {1 / 8}",
    ("fails", "a tenth of the signs"): lambda: CURED == 1 / 10,
    ("fails", "the Leaderboard has three"): lambda: seeds_of_ngf() == 3,
    ("doubt", "over twelve networks"): lambda: audited_networks() == 12,
    ("doubt", "the trace and two other\nmeasures did rise"):
        lambda: risen().startswith("trace; ") and risen().count(";") == 2,
    ("doubt", "than half of its value"): lambda: relative_error() > 0.5,
}
# What counts the words of the scene itself, an option that turns out wrong, or the toy.
COUNTS_NOTHING = {
    "poison": ("On about half of them", "a set of a million pictures"),
    "accuracy": ("Three networks", "Two of them", "of the three", "one of the first two"),
    "gradient": ("just two weights", "step a half", "the two agree", "the two ways",
                 "In two dimensions", "unit of weight"),
    "race": ("At about half", "Three methods", "all three stay"),
    "flatter": ("About half",),
    "fooled": ("these two networks",),
    "fails": ("In about two thirds", "In fewer than half"),
    "doubt": ("one part in a hundred", "one part in ten", "Five questions"),
}


def texts(name: str) -> str:
    scene = SHIPPED[name]
    return NAMED.sub("", "\n\n".join((scene.question, *scene.options, scene.opening, scene.answer,
                                      scene.home, scene.notes, scene.further)))


@pytest.mark.parametrize(("scene", "words"), MEASURED)
def test_a_number_in_letters_is_that_of_the_files(scene, words):
    assert words in texts(scene) and MEASURED[scene, words]()


@pytest.mark.parametrize("name", SHIPPED)
def test_no_other_number_is_said_in_letters(name):
    rest = texts(name)
    for words in (*(words for scene, words in MEASURED if scene == name),
                  *COUNTS_NOTHING.get(name, ())):
        assert words in rest, f"“{words}” is no longer said"
        rest = rest.replace(words, "")
    assert not NUMBER.findall(rest), rest
