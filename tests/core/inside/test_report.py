"""A look inside as text and as JSON."""

import json

import numpy as np
import pytest

from ngf_core.inside.models import Saliency
from ngf_core.inside.report import text, told
from ngf_core.inside.saliency import Share
from ngf_core.inside.settings import Look
from tests.support.fabricated_inside import NAMES, made_up

SHARE = {"before": Share(0.5, 0.01, 0.0625, 6), "ngf": Share(float("nan"), float("nan"), 0.0625, 0)}


@pytest.fixture(scope="module")
def look():
    return made_up({"before": [2, 2, 2, 2, 2, 0], "ngf": [0, 1, 0, 1, 0, 2]})


@pytest.fixture(scope="module")
def found():
    return Saliency({name: np.ones((6, 8, 8)) for name in SHARE}, np.ones((8, 8), bool), SHARE)


def test_text_has_a_row_per_model(look, found):
    lines = text(look, found, Look(20, 3)).splitlines()
    assert lines[1].split("  ")[0] == "before"
    assert "9/9" in lines[1] and "0/6" in lines[1] and "5/6" in lines[1]
    assert "50.0 % ± 1.0" in lines[1] and "1 +5.0, 3 +2.0" in lines[1]
    assert "5/6" in lines[2] and "1/6" in lines[2]
    said = " ".join(lines)
    assert "n = 9 clean and 6 triggered test images, seed 3" in said
    assert "an even map has 6.2 % on the trigger" in said


def test_what_is_not_known_is_not_measured():
    look = made_up({"before": [2] * 6}, truth_known=False)
    said = text(look, Saliency({}, None, {}), Look())
    assert said.splitlines()[1].count("not measured") == 2
    assert told(look, None, Look(), "a-run")["models"]["before"]["confusion"].keys() == {"clean"}


def test_json_holds_what_a_program_needs(look, found):
    made = told(look, found, Look(20, 3), "a-run")
    again = json.loads(json.dumps(made, allow_nan=False))
    assert again == made and made["command"].endswith("inside a-run --images 20 --seed 3")
    assert made["images"] == {"clean": 9, "triggered": 6} and made["classes"] == list(NAMES)
    before, after = made["models"]["before"], made["models"]["ngf"]
    assert before["confusion"]["triggered"] == [[0, 0, 3], [1, 0, 2], [0, 0, 0]]
    assert before["attackers_label"] == 5 and after["attackers_label"] == 1
    assert before["channels"][0]["channel"] == 1
    assert before["channels"][0]["shift"] == pytest.approx(5, abs=1e-5)
    assert after["saliency"]["share"] is None and before["saliency"]["uniform"] == 0.0625
    assert np.allclose(before["points"], look.plane().project(look.features("before")), atol=1e-5)
