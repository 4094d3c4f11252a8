"""Sliders for the parameters of an attack's trigger, kept in ?parameters=alpha=0.5,k=3.

A picture among them has no slider: the painter draws it, and here it is kept as it is.
"""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from app import state
from app.text import sections
from app.text.outside import unlinked
from app.widgets.controls.address import NONE
from ngf_core.errors import ConfigError

if TYPE_CHECKING:
    from ngf_core.attacks.attack import Attack, Parameter

NAME = "parameters"
SHOWN = "knobs_shown"
ONLY_LEARNING = ("steps", "epochs")


def knobs(attack: "type[Attack]", strength: str, at_first: str = "") -> str:
    """Draw the sliders; the changes to the strength's parameters, as "alpha=0.5,k=3".

    `at_first` are the changes that an address without any stands for. Parameters that only matter
    while the attack learns are shown without sliders; a link may still change them. A value in the
    address that does not fit gives a toast and is dropped.
    """
    from ngf_core.attacks.attack import changes_from, changes_text

    usual = attack.strengths[strength]
    first = {name: value for name, value in changes_from(at_first).items()
             if value != usual.get(name)}
    place = f"knob_{attack.__name__}_{strength}{_digest(at_first)}"
    kept = _from_address(attack, place, usual, first)
    live = _live(attack)
    changes = {name: value for name, value in kept.items() if name not in live}
    pictures = {name: value for name, value in changes.items() if name not in attack.knobs}
    with st.grid(columns=2, min_column_width=200, key="knobs"):
        for name in live:
            value = _slider(name, attack.knobs[name], usual[name], first.get(name, usual[name]),
                            f"{place}_{name}")
            if value != usual[name]:
                changes[name] = value
    fixed = {name: (usual | changes)[name] for name in attack.knobs if name not in live}
    if fixed:
        values = ", ".join(f"{name} {value:g}" for name, value in fixed.items())
        st.caption(sections("attacks")["fitting"].format(values=values))
    untouched = first | pictures
    if changes != untouched:
        st.button("Reset the values", icon=":material/undo:", key="put_back",
                  on_click=_put_back, args=(place, usual, untouched))
    if changes == first:
        state.write_url(NAME, None)
        return at_first
    written = changes_text(changes)
    state.write_url(NAME, written or NONE)
    return written


def _live(attack: "type[Attack]") -> list[str]:
    return [name for name in attack.knobs if not name.endswith(ONLY_LEARNING)]


def _digest(text: str) -> str:
    return f"_{hashlib.sha256(text.encode()).hexdigest()[:16]}" if text else ""


def _slider(name: str, knob: "Parameter", usual: float, first: float, key: str) -> float:
    kind = _kind(knob, usual)
    if state.remembered(key) is None:
        state.remember(key, kind(first))
    return st.slider(f"**{name}**: {knob.help}", kind(min(knob.low, usual)),
                     kind(max(knob.high, usual)), state.remembered(key), kind(knob.step), key=key,
                     format="%d" if kind is int else "%g")


def _kind(knob: "Parameter", usual: float) -> type:
    """int where the slider has whole numbers only: Streamlit does not mix them with floats."""
    values = (knob.low, knob.high, knob.step, usual)
    return int if all(float(value).is_integer() for value in values) else float


def _from_address(attack: "type[Attack]", place: str, usual: Mapping[str, float],
                  first: Mapping[str, Any]) -> Mapping[str, Any]:
    """Set the sliders from the address where a link changed it; the changes, sliders or not."""
    linked = st.query_params.get(NAME)
    kept, seen = f"{place}_told", f"{NAME}_in_url"
    # On a page that was left and is opened again the sliders know nothing more.
    opened_again = state.remembered(SHOWN) == place and any(
        state.remembered(f"{place}_{name}") is None for name in _live(attack))
    state.remember(SHOWN, place)
    if linked == state.remembered(seen) and not opened_again:
        return state.remembered(kept, first)
    changes = first if linked is None else {} if linked == NONE else _fitting(attack, linked)
    for name in usual:
        value = changes.get(name, usual[name])
        state.remember(f"{place}_{name}", _kind(attack.knobs[name], usual[name])(value))
    state.remember(kept, changes)
    return changes


def _fitting(attack: "type[Attack]", linked: str) -> dict[str, Any]:
    from ngf_core.attacks.attack import PICTURE, changes_from

    try:
        changes = changes_from(linked)
    except ConfigError as error:
        _toast(linked, str(error))
        return {}
    fitting = {}
    for name, value in changes.items():
        knob = attack.knobs.get(name)
        if name == PICTURE:
            try:
                attack.check_change(name, value)
                fitting[name] = value
            except ConfigError as error:
                _toast(linked, str(error))
        elif knob is None:
            _toast(linked, f"{attack.title} has no parameter {name[:40]}.")
        elif not knob.low <= value <= knob.high:
            _toast(linked, f"{name} goes from {knob.low:g} to {knob.high:g}.")
        else:
            fitting[name] = value
    return fitting


def _toast(linked: str, why: str) -> None:
    if state.first_time(f"{NAME}={linked}"):
        st.toast(unlinked(f"The link has {NAME}={linked[:60]}. {why} The usual value is shown."),
                 icon=":material/link_off:")


def _put_back(place: str, usual: Mapping[str, float], untouched: Mapping[str, Any]) -> None:
    for name in usual:
        state.remember(f"{place}_{name}", None)
    state.remember(f"{place}_told", untouched)
    state.remember(SHOWN, None)
