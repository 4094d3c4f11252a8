"""One style a method: the registered title, and a spare look for a method that has none yet."""

from app.theme import METHODS, SPARE, style
from ngf_core.purify import PURIFIERS
from ngf_core.registry import Entry


def test_methods_are_called_what_the_registry_calls_them():
    assert all(style(name).label == entry.title for name, entry in PURIFIERS.items())


def test_a_new_method_gets_a_look_of_its_own(monkeypatch):
    for name in ("prune", "distil"):
        monkeypatch.setitem(PURIFIERS, name, Entry(name.capitalize(), f"nowhere:{name}"))
    prune, distil = style("prune"), style("distil")
    assert (prune.label, prune.color) == ("Prune", SPARE[0][0])
    assert distil.color == SPARE[1][0]
    assert not {prune.color, distil.color} & {known.color for known in METHODS.values()}


def test_a_name_that_is_nowhere_keeps_it_and_is_grey():
    assert (style("moon").label, style("moon").color) == ("moon", METHODS["before"].color)
