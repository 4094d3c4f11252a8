"""The claim's figures and words on made-up tables whose answer is known."""

import math

import numpy as np
import pandas as pd
import pytest

from app.figures import claim as figures
from app.theme import LIGHT
from ngf_core.evidence.verdict import (
    levels,
    log_ratios,
    model_correlations,
    path_correlations,
    verdicts,
)
from tests.support import fabricated_claim

ATTACKS = {"badnets": "BadNets", "blend": "Blend", "sig": "SIG", "wanet": "WaNet"}
MEASURES = ("lambda_max", "trace", "adaptive_lambda_max", "adaptive_trace")


@pytest.fixture(scope="module")
def claim() -> pd.DataFrame:
    return fabricated_claim.claim(tuple(ATTACKS), MEASURES, spread=0.01)


@pytest.fixture(scope="module")
def table(claim) -> pd.DataFrame:
    return verdicts(claim)


def test_the_verdict_table_has_a_row_a_question_and_a_column_a_measure(table):
    shown = figures.verdict_table(table)
    assert len(shown) == 18 and list(shown)[3:] == ["λ_max", "trace", "adaptive λ_max",
                                                    "adaptive trace"]
    first = shown.iloc[0]
    assert tuple(first[:3]) == ("Backdoored / benign", "held-out", "all")
    mine = table[(table.comparison == "backdoored") & (table.images == "held_out")
                 & (table.parameters == "all") & (table.measure == "lambda_max")].iloc[0]
    assert first["λ_max"] == f"✓ ×{mine.ratio:.2f} ({mine.low:.2f}–{mine.high:.2f}) 4/4"
    assert shown.iloc[-3]["trace"].startswith("✗ ×2.")
    assert list(shown["comparison"])[-2:] == ["NGF, layer by rule / backdoored"] * 2


def test_what_was_not_measured_says_so(claim):
    part = claim[(claim.images == "held_out") | (claim.measure != "trace")]
    shown = figures.verdict_table(verdicts(part))
    assert set(shown[shown.images == "defender's"]["trace"]) == {"not measured"}
    one = verdicts(claim[(claim.attack == "sig") & (claim.seed == 0)])
    cell = figures.verdict_table(one).iloc[0]["λ_max"]
    assert cell.startswith("○ ×") and "(" not in cell


def test_ratios_stand_at_their_values_with_their_intervals(table):
    panels = figures.ratio_panels(table, dark=False)
    assert [panel.layout.title.text for panel in panels][:2] == [
        "<b>held-out images, all parameters</b>", "<b>held-out images, the tuned layer</b>"]
    trace = panels[0].data[1]
    mine = table[(table.comparison == "ngf") & (table.images == "held_out")
                 & (table.parameters == "all")].set_index("measure")
    assert trace.name == "NGF / backdoored"
    assert list(trace.x) == pytest.approx(mine.loc[list(MEASURES)].ratio.tolist())
    assert list(np.add(trace.x, trace.error_x.array)) == pytest.approx(
        mine.loc[list(MEASURES)].high.tolist())
    assert list(np.subtract(trace.x, trace.error_x.arrayminus)) == pytest.approx(
        mine.loc[list(MEASURES)].low.tolist())
    low, high = panels[0].layout.xaxis.range
    assert all(panel.layout.xaxis.range == (low, high) for panel in panels)
    assert low <= math.log10(min(trace.x)) and high >= math.log10(2)


def test_hollow_marks_are_not_resolved(table):
    frame = table.copy()
    frame.loc[(frame.comparison == "sgd") & (frame.measure == "trace"), "verdict"] = "not resolved"
    frame.loc[(frame.comparison == "sgd") & (frame.measure != "trace"), "verdict"] = "holds"
    symbols = figures.ratio_panels(frame, dark=True)[0].data[2].marker.symbol
    assert [symbol.endswith("-open") for symbol in symbols] == [False, True, False, False]


def test_levels_show_every_model_and_the_mean_with_its_interval(claim):
    here = claim[(claim.images == "held_out") & (claim.parameters == "all")]
    found = levels(here)
    panels = figures.level_panels(found, here, dark=True)
    assert [panel.layout.title.text for panel in panels] == [
        "<b>λ_max</b>", "<b>trace</b>", "<b>adaptive λ_max</b>", "<b>adaptive trace</b>"]
    dots, mean = panels[1].data[2:4]  # the backdoored models
    row = found[(found.measure == "trace") & (found.model == "backdoored")].iloc[0]
    assert len(dots.x) == 12 and set(dots.y) == {"Backdoored"}
    assert mean.x[0] == pytest.approx(row.value) == pytest.approx(100, rel=0.05)
    assert mean.x[0] + mean.error_x.array[0] == pytest.approx(row.high)
    assert figures.level_text({"value": 117.2, "low": 98, "high": 140.1, "n": 42}) == \
        "117 (98 to 140), n = 42"


def test_attacks_have_a_dot_a_seed_and_a_geometric_mean(claim):
    ratios = log_ratios(claim)
    chosen = ratios[(ratios.images == "held_out") & (ratios.parameters == "all")
                    & (ratios.measure == "trace")]
    panels = figures.attack_panels(chosen, ATTACKS, dark=False)
    assert [panel.layout.title.text for panel in panels] == [
        "<b>Backdoored / benign</b>", "<b>NGF / backdoored</b>", "<b>SGD / backdoored</b>",
        "<b>Fine-tuning / backdoored</b>", "<b>NGF, layer by rule / backdoored</b>"]
    means, dots = panels[1].data
    assert len(dots.x) == 12 and list(panels[1].layout.yaxis.categoryarray) == list(
        ATTACKS.values())
    mine = [x for x, y in zip(dots.x, dots.y, strict=True) if y == "SIG"]
    assert dict(zip(means.y, means.x, strict=True))["SIG"] == pytest.approx(
        math.exp(np.log(mine).mean()))


def test_paths_run_over_asr_from_the_received_model():
    path = fabricated_claim.path(tuple(ATTACKS), {"ngf": 1, "sgd": -1}, noise=0.1)
    path.loc[(path.attack == "sig") & (path.step > 20), "lambda_max"] = np.nan
    panels = figures.path_panels(path, "lambda_max", ATTACKS, dark=False)
    assert [panel.layout.title.text for panel in panels] == [f"<b>{t}</b>"
                                                             for t in ATTACKS.values()]
    first = panels[0].data[0]
    of = path[(path.attack == "badnets") & (path.entrant == "ngf") & (path.seed == 0)]
    steps = len(of)
    assert list(first.x[:steps]) == pytest.approx((100 * of.asr).tolist())
    assert list(first.y[:steps]) == pytest.approx(of.lambda_max.tolist())
    # The seeds of a method are one trace, with a gap between two; the last point of each is large.
    assert len(first.x) == 3 * steps + 2 and np.isnan([first.x[steps], first.y[steps]]).all()
    assert first.text[steps - 1:steps + 2:2] == (f"seed 0, step {of.step.max()}", "seed 1, step 0")
    large = [size for size, x in zip(first.marker.size, first.x, strict=True) if not np.isnan(x)]
    assert large == ([3] * (steps - 1) + [9]) * 3
    assert [trace.showlegend for trace in panels[0].data].count(True) == 2
    assert len(panels[2].data[0].x) == 3 * 3 + 2
    start = panels[0].data[-1]
    assert start.marker.symbol == "circle-open" and start.marker.color == LIGHT.text
    assert list(start.x) == pytest.approx([90] * 3)


def test_correlations_in_words(claim):
    path = fabricated_claim.path(tuple(ATTACKS), {"ngf": 1, "sgd": -1})
    shown = figures.correlation_table(path_correlations(path))
    assert shown["method"].tolist() == ["NGF", "NGF", "SGD", "SGD"]
    assert shown.iloc[0]["ρ with ASR"] == "+1.00 (+1.00 to +1.00)"
    assert shown.iloc[2]["ρ with ASR"] == "−1.00 (−1.00 to −1.00)"
    assert shown.iloc[2]["sharpness falls with ASR"] == "✗ does not hold"
    path["asr"] = 0.5
    unknown = figures.correlation_table(path_correlations(path)).iloc[0]
    assert unknown["ρ with ASR"] == "not known" and unknown["n"] == 0
    models = figures.correlation_table(model_correlations(claim))
    assert list(models)[:3] == ["images", "parameters", "measure"] and len(models) == 16


def test_an_empty_table_draws_nothing(table):
    assert figures.ratio_panels(table.iloc[:0], dark=False) == []
    assert figures.attack_panels(log_ratios(fabricated_claim.claim(())), ATTACKS, dark=False) == []
