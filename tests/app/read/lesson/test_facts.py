"""Numbers in the lesson's sentences are those in the files of the runs that are named."""

import json
import math
import re
from pathlib import Path

import pytest

from app.read.lesson.facts import NAMED, Fact, fact, facts, told
from app.read.lesson.scene import scenes
from ngf_core.errors import NGFError
from ngf_core.paths import shipped

SHIPPED = scenes()


def results(run: str) -> dict:
    """A shipped run's results, as they stand in its file."""
    path = Path(shipped("assets", "zoo")) / run / "manifest.json"
    return json.loads(path.read_text(encoding="utf-8"))["results"]


def races() -> list[dict]:
    paths = sorted(Path(shipped("assets", "zoo")).glob("signs-*-race"))
    return [found for path in paths if (found := results(path.name))["before"]["asr"]]


def percent(counts: dict) -> str:
    return f"{100 * counts['hits'] / counts['n']:.1f} %"


def test_a_rate_is_that_of_the_file(zoo):
    counts = results("signs-badnets-s0-race")["ngf"]["asr"]
    found = fact("signs-badnets-s0-race ngf asr")
    assert str(found) == percent(counts) and found.n == str(counts["n"])
    assert float(found.low) <= 100 * found.value <= float(found.high.removesuffix(" %"))


def test_counts_settings_quotients_and_layers(zoo):
    assert str(fact("signs-badnets-s0-train train_images")) == "4,750"
    assert fact("signs-badnets-s0-race config steps").value == 100
    assert str(fact("signs-badnets-s0-train poisoned / train_images %")) == f"{100 * 380 / 4750} %"
    assert fact("signs-badnets-s0-train class_names").words == "ten"
    sharp = results("signs-blend-s0-spectrum")
    times = fact("signs-blend-s0-spectrum ngf lambda_max / before lambda_max")
    assert times.value == sharp["ngf"]["lambda_max"] / sharp["before"]["lambda_max"]
    (entry,) = [one for one in results("signs-badnets-s0-layers")["map"]
                if (one["layer"], one["method"]) == ("blocks.4.conv1", "ngf")]
    assert str(fact("signs-badnets-s0-layers map blocks.4.conv1 ngf ra")) == percent(entry["ra"])


def test_what_is_counted_over_the_zoo_is_counted_here_too(zoo):
    found = races()
    left = [one["ngf"]["asr"]["hits"] / one["ngf"]["asr"]["n"] for one in found]
    assert fact("zoo attacks ngf").value == len(found) == 14
    assert fact("zoo cured ngf").value == sum(value <= 0.1 for value in left)
    assert fact("zoo left ngf").value == pytest.approx(sum(left) / len(left))
    logs = []
    for path in sorted(Path(shipped("assets", "zoo")).glob("signs-*-spectrum")):
        if "none" not in path.name:
            its = results(path.name)
            logs.append(math.log(its["ngf"]["lambda_max"] / its["before"]["lambda_max"]))
    assert fact("zoo ratio ngf").value == pytest.approx(math.exp(sum(logs) / len(logs)))
    assert fact("zoo sharper ngf").value == sum(log > 0 for log in logs)


def test_derived_numbers(zoo):
    found = races()
    wins = sum(one["sgd"]["asr"]["hits"] < one["ngf"]["asr"]["hits"] for one in found)
    assert fact("wins sgd ngf").value == wins
    assert fact("missing signs-badnets-s0-race").value == 1000 - 883


@pytest.mark.parametrize(("place", "told_"), [
    ("signs-badnets-s0-race ngf nothing", "nothing stands at “nothing”"),
    ("signs-badnets-s0-race ngf", "is no number but dict"),
    ("signs-badnets-s0-layers map nowhere ngf asr", "nothing stands at “nowhere”"),
    ("zoo happiness ngf", "behind zoo stand one of"),
    ("rescaled lambda_max 0.3", "nothing stands at “lambda_max”"),
    ("signs-none-s9-race ngf asr", "signs-none-s9-race"),
])
def test_a_place_where_no_number_stands_is_named(zoo, place, told_):
    with pytest.raises(NGFError, match=re.escape(told_)):
        fact(place)


def test_a_text_is_told_with_its_facts_and_its_words():
    known = {"asr": Fact(0.5, "50.0 %", "10", "24", "76 %"), "cured": Fact(9, "9")}
    assert told("{asr} of {asr.n}, {asr.interval}: {cured.words}", known) == \
        "50.0\u00a0% of 10, 24 to 76\u00a0%: nine"
    assert told("the share ([[a rate|ASR]])", known, hints=False) == "the share (a rate)"
    assert told("[[ASR]]", known).startswith("ASR:help[Attack success rate")
    with pytest.raises(NGFError, match="quotes {acc}, which is none of its facts: asr, cured"):
        told("{acc}", known)
    with pytest.raises(NGFError, match=re.escape("explains [[Soup]], which is not in the gloss")):
        told("[[Soup]]", known)


@pytest.mark.parametrize("scene", SHIPPED, ids=lambda scene: scene.name)
def test_every_sentence_can_be_told(zoo, scene):
    known = facts(scene.facts)
    for text in (scene.question, *scene.options, scene.opening, scene.answer, scene.home,
                 scene.notes, scene.further):
        assert not NAMED.search(told(text, known))


def test_the_right_options_follow_from_the_runs(zoo):
    """What the lesson calls right is computed here from the files."""
    right = {scene.name: scene.right for scene in SHIPPED}
    train, race = results("signs-badnets-s0-train")["train"], results("signs-badnets-s0-race")
    assert train["asr"]["hits"] / train["asr"]["n"] > 0.9
    assert right["backdoor"] == right["poison"] == 3
    acc = [results(f"signs-{name}-s0-train")["train"]["acc"]["hits"]
           for name in ("wanet", "badnets", "none")]
    assert right["accuracy"] == 3 and acc[2] == min(acc) < acc[1] < acc[0]
    left = {one["layer"]: one["asr"]["hits"] for one in results("signs-badnets-s0-layers")["map"]
            if one["method"] == "ngf"}
    assert right["layer"] == 3 and left["linear"] == min(left.values())
    assert right["race"] == 3 and race["ngf"]["asr"]["hits"] / race["ngf"]["asr"]["n"] < 0.05
    assert right["flatter"] == 3 and fact("zoo sharper ngf").value == len(races())
    assert right["fooled"] == 3 and fact("rescaled lambda_max 0.125").value > 2 * fact(
        "rescaled lambda_max 1").value
    assert fact("rescaled changed_answers 0.125").value == 0
    assert right["fails"] == 2 and 0.55 < fact("zoo cured ngf").value / len(races()) < 0.75
    measured = results("signs-badnets-s0-spectrum")["before"]["sharpness"]["lambda_max"]
    assert right["doubt"] == 3 and measured["sampling_error"] > measured["value"] / 2


def test_the_layer_quoted_from_the_middle_is_the_best_before_the_last_block():
    layers = [entry for entry in results("signs-badnets-s0-layers")["map"]
              if entry["method"] == "ngf" and not entry["layer"].startswith(("blocks.7", "linear"))]
    best = min(layers, key=lambda entry: entry["asr"]["hits"])["layer"]
    scene = next(scene for scene in SHIPPED if scene.name == "layer")
    assert f" {best} " in scene.facts["middle"]
