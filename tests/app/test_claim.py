"""Sharpness claim: the verdicts first, the reading that is looked at, and what is missing."""

import pandas as pd
import pytest

from ngf_core.attacks import ATTACKS
from tests.support import fabricated_claim
from tests.support.pages import address, text_of

MEASURES = ("lambda_max", "trace", "adaptive_lambda_max", "adaptive_trace")


@pytest.fixture
def tables(tmp_path, monkeypatch):
    monkeypatch.setenv("NGF_BENCHMARK", str(tmp_path))
    some = list(ATTACKS)[:3]
    fabricated_claim.claim(some, MEASURES, spread=0.01).to_parquet(tmp_path / "claim.parquet")
    fabricated_claim.path(some, {"ngf": 1, "sgd": -1}).to_parquet(tmp_path / "path.parquet")
    return tmp_path


def test_the_verdicts_come_first(open_page, tables) -> None:
    app = open_page("claim")
    assert not app.exception and not app.error
    assert app.header[0].value == "Backdoored models are sharper than benign ones."
    assert "Full fine-tuning leaves the model sharper, not flatter." in app.header[2].value
    assert "sharper in 8 of 8 readings" in app.caption[0].value
    verdicts = next(f.value for f in app.dataframe if "comparison" in f.value
                    and "λ_max" in f.value)
    assert len(verdicts) == 18


@pytest.mark.parametrize(("part", "heading"), [
    ("sizes", "At which size of network"), ("values", "Attack by attack"),
    ("asr", "Along the tuning path")])
def test_one_part_of_the_evidence_is_drawn_at_a_time(open_page, tables, part, heading) -> None:
    first, app = open_page("claim"), open_page("claim", part=part)
    assert not app.exception and not app.error
    assert any(one.value.startswith(heading) for one in app.header)
    assert not any(one.value.startswith(heading) for one in first.header)
    drawn, there = ({chart.proto.id for chart in page.get("plotly_chart")}
                    for page in (first, app))
    assert drawn and not drawn & there


def test_everything_a_reviewer_asks_for_is_there(open_page, tables) -> None:
    app = open_page("claim", part="how")
    said = text_of(app)
    assert "n = 100 images per set; attacks: 3; seeds: 0, 1, 2" in said
    assert "Median standard error over images" in said
    assert ("9 benign, 9 backdoored, 9 NGF, 9 SGD, 9 Fine-tuning, 9 NGF, layer by rule. Median"
            in said)
    assert any("ngf_core benchmark" in code.value for code in app.code)
    assert any(len(frame.value) == 3 * 3 * (5 * 4 + 2) * 4 for frame in app.dataframe)
    correlations = next(f.value for f in open_page("claim", part="asr").dataframe
                        if "ρ with ASR" in f.value)
    assert correlations["method"].tolist()[:1] == ["NGF"]


def test_the_reading_is_chosen_in_the_address(open_page, tables) -> None:
    app = open_page("claim", part="values", images="defender", parameters="layer",
                    measure="trace")
    assert not app.exception and address(app, "measure") == "trace"
    detail = next(f.value for f in app.dataframe if "log_ratio" in f.value)
    assert set(detail.images) == {"defender"} and set(detail.measure) == {"trace"}
    assert "path=nose" in open_page("claim", part="asr", path="nose").toast[0].value


def test_a_reading_that_is_missing_is_said(open_page, tables) -> None:
    claim = pd.read_parquet(tables / "claim.parquet")
    claim[claim["parameters"] == "all"].to_parquet(tables / "claim.parquet")
    app = open_page("claim", part="values", parameters="layer")
    assert not app.exception
    assert any("over these parameters: not computed yet" in info.value for info in app.info)


def test_without_tables_it_says_how_to_make_them(open_page, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("NGF_BENCHMARK", str(tmp_path))
    app = open_page("claim")
    assert not app.exception and not app.error
    assert "has not been computed yet" in app.info[0].value
    assert app.code[0].value == "python -m ngf_core benchmark"


def test_a_table_that_has_just_begun_is_shown(open_page, tables) -> None:
    claim = pd.read_parquet(tables / "claim.parquet")
    part = claim[(claim.attack == "badnets") & (claim.seed == 0) & (claim.model != "finetune")]
    part.to_parquet(tables / "claim.parquet")
    (tables / "path.parquet").unlink()
    app = open_page("claim", part="asr")
    assert not app.exception and not app.error
    said = text_of(app)
    assert "Whether backdoored models are sharper than benign ones is not resolved." in said
    assert "The table “path” has not been computed yet" in said


def test_a_damaged_table_is_a_sentence(open_page, tables) -> None:
    (tables / "claim.parquet").write_bytes(b"nonsense")
    app = open_page("claim")
    assert not app.exception and "claim.parquet is damaged" in app.error[0].value
