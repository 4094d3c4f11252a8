"""The ablation's figures: what is resolved, what is missing, one axis for all attacks."""

import math

import pytest

from app.figures import ablation as figures
from ngf_core.evidence.ablation import VARIANTS, effects, values
from tests.support.fabricated_benchmark import cells

ATTACKS = {"sig": "SIG", "badnets": "BadNets", "blend": "Blend"}
TRIED = tuple(VARIANTS)


@pytest.fixture
def table():
    return cells(tuple(ATTACKS), entrants=TRIED)


def test_differences_stand_at_their_values_with_their_intervals(table):
    found = effects(table, "asr")
    figure = figures.effect_dots(found, "ASR", higher_is_better=False, dark=False)
    assert len(figure.data) == len(VARIANTS) - 1
    for trace, effect in zip(figure.data, found[1:], strict=True):
        gap = effect.minus_full
        assert trace.x[0] == pytest.approx(100 * gap.mean)
        assert trace.error_x.array[0] == pytest.approx(100 * (gap.high - gap.mean))
        assert trace.marker.symbol.endswith("-open") == (gap.sign == 0)
    assert "right of zero: worse" in figure.layout.xaxis.title.text
    better = figures.effect_dots(found, "RA", higher_is_better=True, dark=True)
    assert "left of zero: worse" in better.layout.xaxis.title.text


def test_only_sgd_is_drawn_as_another_method(table):
    figure = figures.effect_dots(effects(table, "asr"), "ASR", higher_is_better=False, dark=False)
    colors = dict(zip(list(VARIANTS)[1:], (t.marker.color for t in figure.data), strict=True))
    assert len(set(colors.values())) == 2 and list(colors.values()).count(colors["sgd"]) == 1


def test_missing_cells_are_counted_where_they_are_missing(table):
    table = table[~((table.entrant == "ablate_frozen_bn") & (table.attack == "blend"))]
    found = effects(table[table.entrant != "ablate_tuning"], "asr")
    figure = figures.effect_dots(found, "ASR", higher_is_better=False, dark=False)
    labels = [trace.y[0] for trace in figure.data]
    assert "frozen BatchNorm<br>6 of 9" in labels
    assert not any("BatchNorm only" in label for label in labels)  # it has no value to draw
    assert "no regulariser" in labels
    said = {e.variant: figures.difference_text(e) for e in found}
    assert said["ablate_tuning"] == "not computed yet, n = 0 of 9"
    assert "n = 6 of 9" in said["ablate_frozen_bn"]


def test_the_effect_table_has_every_number(table):
    found = effects(table, "der")
    shown = figures.effect_table(found)
    assert shown["variant"].tolist() == [v.title for v in VARIANTS.values()]
    assert shown["mean, %"].tolist() == pytest.approx([100 * e.own.mean for e in found])
    assert shown.iloc[0]["minus full NGF, points"] == 0


def test_panels_stand_in_the_order_of_the_attacks_on_one_axis(table):
    known = values(table, "asr")
    panels = figures.attack_panels(known, "ASR", ATTACKS, dark=False)
    assert [panel.layout.title.text for panel in panels] == [
        "<b>SIG</b>", "<b>BadNets</b>", "<b>Blend</b>"]
    assert len({panel.layout.xaxis.range for panel in panels}) == 1
    low, high = panels[0].layout.xaxis.range
    assert low <= 100 * known.min(axis=None) and high >= 100 * known.max(axis=None)
    mean, dots = panels[0].data[:2]
    of = 100 * known.loc["sig", "ngf"]
    assert list(dots.x) == pytest.approx(of.tolist()) and mean.x[0] == pytest.approx(of.mean())
    assert [panel.layout.shapes[0].x0 for panel in panels] == pytest.approx(
        [100 * known.loc[name, "ngf"].mean() for name in ATTACKS])


def test_a_panel_says_what_is_missing(table):
    known = values(table[~((table.attack == "sig") & (table.seed == 2)
                           & (table.entrant == "sgd"))], "asr")
    panels = figures.attack_panels(known, "ASR", ATTACKS, dark=False)
    assert panels[0].layout.title.text == f"<b>SIG</b> ({3 * len(VARIANTS) - 1} of " \
        f"{3 * len(VARIANTS)})"
    nothing = values(table[table.entrant.isin(("before", "benign"))], "asr")
    assert figures.attack_panels(nothing, "ASR", ATTACKS, dark=False) == []
    begun = values(table[table.entrant.isin(("before", "benign")) | (table.attack == "blend")],
                   "asr")
    only, = figures.attack_panels(begun, "ASR", ATTACKS, dark=False)
    assert only.layout.title.text == "<b>Blend</b>" and only.layout.yaxis.type == "category"
    assert all(math.isfinite(end) for end in only.layout.xaxis.range)
    assert "SIG: not computed yet" in figures.panels_alt(nothing, "ASR", ATTACKS)


def test_the_panel_table_has_a_column_a_variant(table):
    shown = figures.panel_table(values(table, "ra"), ATTACKS)
    assert list(shown) == ["attack", "seed", *(v.title for v in VARIANTS.values())]
    assert set(shown["attack"]) == set(ATTACKS.values()) and len(shown) == 9


def test_signs_are_written_out():
    assert figures.signed(0.123) == "+12.3" and figures.signed(-0.05) == "−5.0"
