"""One style a method: the registered title, and a spare look for a method that has none yet."""

import pytest

from app.theme import METHODS, SPARE, plotly_template, style
from ngf_core.purify.registry import PURIFIERS
from ngf_core.registry import Entry


def test_methods_are_called_what_the_registry_calls_them():
    assert all(style(name).label == entry.title for name, entry in PURIFIERS.items())


def test_no_two_methods_look_alike():
    looks = [(style(name).color, style(name).dash) for name in [*PURIFIERS, "before", "benign"]]
    assert len(set(looks)) == len(looks)
    known = {style.color for style in METHODS.values()}
    assert not known & {color for color, *_ in SPARE}


def test_a_new_method_gets_a_look_of_its_own(monkeypatch):
    monkeypatch.setitem(PURIFIERS, "prune", Entry("Prune", "nowhere:prune"))
    place = len([name for name in PURIFIERS if name not in METHODS]) - 1
    prune = style("prune")
    assert prune.label == "Prune"
    assert (prune.color, prune.dash, prune.symbol, prune.stroke) == SPARE[place % len(SPARE)]


def test_a_name_that_is_nowhere_keeps_it_and_is_grey():
    assert (style("moon").label, style("moon").color) == ("moon", METHODS["before"].color)


@pytest.mark.parametrize("dark", [False, True])
def test_title_and_legend_stand_at_opposite_edges_of_a_figure(dark):
    layout = plotly_template(dark).layout
    for part, at in ((layout.title, 1), (layout.legend, 0)):
        assert (part.xref, part.yref) == ("container", "container")
        assert (part.x, part.y) == (0, at)
    # Plotly's toolbar is 27 pixels high; axes make room for their own words.
    assert layout.margin.t >= 30
    assert layout.xaxis.automargin and layout.yaxis.automargin
