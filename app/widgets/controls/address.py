"""Controls whose value is the page's address: ?name=value, the same word in both."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import streamlit as st

from app import state
from app.text.outside import unlinked
from ngf_core.errors import NGFError
from ngf_core.runs import Run

FEW = 5
# In the address where none is chosen and the default is some.
NONE = "none"


def choose(name: str, label: str, options: Mapping[str, str], default: str, *,
           help: str | None = None, always: bool = False, listed: bool = False,
           on_change: Callable[[], None] | None = None) -> str:
    """One of `options` (address word -> label on screen), bound to ?name=word.

    Up to five options are shown side by side, more, or `listed` ones, whose labels are long, go
    into a select box. A word in the address that is not an option gives a toast that names it, and
    the default. The default is left out of the address unless `always`.
    """
    state.warn_unknown(name, list(options))
    choice = state.choice_from_url(name, list(options), default)
    if len(options) <= FEW and not listed:
        # A slow browser may miss the seeded value; without a default it would then show no choice
        # and send none back.
        seeded = state.remembered(choice.widget)
        chosen = st.segmented_control(label, list(options), default=seeded, key=choice.widget,
                                      required=True, help=help, wrap=True, on_change=on_change,
                                      format_func=lambda word: options[word]) or seeded
    else:
        chosen = select(label, options, choice.widget, help=help, on_change=on_change)
    state.write_url(name, None if chosen == default and not always else chosen)
    return chosen


def select(label: str, options: Mapping[str, str], widget: str, *, help: str | None = None,
           on_change: Callable[[], None] | None = None, **look: Any) -> str:
    """A select box over `options` whose session state `choice_from_url` has seeded; never None.

    The seed is given as the default too, since a slow browser may miss it. `look` goes to
    st.selectbox.
    """
    words = list(options)
    seeded = state.remembered(widget)
    return st.selectbox(label, words, index=words.index(seeded), key=widget, help=help,
                        format_func=lambda word: options[word], on_change=on_change,
                        **look) or seeded


def choose_some(name: str, label: str, options: Mapping[str, str],
                default: Sequence[str] = (), *, help: str | None = None) -> list[str]:
    """Any of `options` as pills, in their order, bound to ?name=word,word.

    The default is left out of the address; where it is empty, none chosen means all;
    elsewhere none chosen is ?name=none.
    """
    linked = st.query_params.get(name)
    empty = NONE if default else None
    wanted = linked.split(",") if linked else list(default)
    if empty and linked == empty:
        wanted = []
    for word in wanted:
        if word not in options:
            _toast(name, word, f"one of {', '.join(options)}")
    key, seen = f"{name}_choice", f"{name}_in_url"
    if state.remembered(key) is None or linked != state.remembered(seen):
        state.remember(key, [word for word in wanted if word in options])
    elif not set(held := state.remembered(key)) <= set(options):
        # Another run was opened on this page, and it offers other words.
        state.remember(key, [word for word in held if word in options])
    picked = st.pills(label, list(options), selection_mode="multi", key=key, wrap=True, help=help,
                      default=state.remembered(key), format_func=lambda word: options[word])
    chosen = [word for word in options if word in picked]
    state.write_url(name, None if chosen == list(default) else ",".join(chosen) or empty)
    return chosen


def number(name: str, label: str, default: float, low: float, high: float, *, step: float,
           help: str | None = None) -> float:
    """A number bound to ?name=value; one that does not fit gives a toast and the default."""
    whole = isinstance(default, int)
    return st.number_input(label, low, high, default, step=step, key=name, help=help,
                           format="%d" if whole else "%g", bind=_bound(name, low, high, whole))


def slider(name: str, label: str, default: float, low: float, high: float, *, step: float,
           help: str | None = None) -> float:
    """A number on a slider, bound to ?name=value like `number`."""
    return st.slider(label, low, high, default, step, key=name, help=help,
                     bind=_bound(name, low, high, isinstance(default, int)))


def share(name: str, label: str, default: float, low: float, high: float, *, step: float,
          help: str | None = None) -> float:
    """A share on a slider in percent, as ?name=0.05; one that does not fit gives a toast and the
    default, which may change while the slider is shown: then it moves there, unless the address
    names another."""
    key, moved, first = f"{name}_percent", f"{name}_moved", f"{name}_default"
    linked, held = st.query_params.get(name), state.remembered(key)
    other = linked != state.remembered(f"{name}_in_url")
    other |= linked is None and default != state.remembered(first)
    # A browser that is slower than its user still sends the old address with the new value.
    if held is None or (other and not state.remembered(moved)):
        held = _percent(_linked(name, linked, default, min(low, default), max(high, default)))
        state.remember(key, held)
    state.remember(moved, False)
    state.remember(first, default)
    ends = _percent(min(low, default)), _percent(max(high, default))
    chosen = st.slider(label, *ends, held, _percent(step), format="%.1f %%", key=key, help=help,
                       on_change=lambda: state.remember(moved, True)) / 100
    chosen = default if _percent(chosen) == _percent(default) else round(chosen, 6)
    state.write_url(name, None if chosen == default else f"{chosen:g}")
    return chosen


def _percent(share: float) -> float:
    return round(100 * share, 4)


def _linked(name: str, linked: str | None, default: float, low: float, high: float) -> float:
    if linked is None:
        return default
    if fits(linked, low, high, whole=False):
        return float(linked)
    _toast(name, linked, f"a number from {low:g} to {high:g}")
    return default


def text(name: str, label: str, default: str = "", *, help: str | None = None,
         placeholder: str | None = None) -> str:
    """A line of text bound to ?name=text."""
    return st.text_input(label, default, key=name, help=help, placeholder=placeholder,
                         bind="query-params")


def _bound(name: str, low: float, high: float, whole: bool) -> Literal["query-params"] | None:
    """What binds a widget to its parameter: nothing while that does not fit, for Streamlit, which
    reads it before it looks at the bounds, fails on a whole number of 400 digits."""
    linked = st.query_params.get(name)
    if linked is None or fits(linked, low, high, whole):
        return "query-params"
    _toast(name, linked, f"a whole number from {low:,} to {high:,}" if whole
           else f"a number from {low:g} to {high:g}")
    st.query_params.pop(name)
    return None


def fits(text: str, low: float, high: float, whole: bool) -> bool:
    """True where `text` is a number (a whole one if `whole`) between the bounds."""
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        return False
    return low <= value <= high


def run_in_address() -> Run | None:
    """The run in ?run=, whole or corrupt; a missing one gives a card with the reason."""
    linked = st.query_params.get("run")
    if not linked:
        return None
    try:
        return state.store().find(linked)
    except NGFError as error:
        st.info(unlinked(str(error)), icon=":material/search_off:")
        return None


def runs_in_address() -> list[Run]:
    """The runs in ?runs=id,id that can be read, each once, in their order; those that are missing
    or corrupt give a card with the reason."""
    found = []
    for linked in dict.fromkeys(filter(None, st.query_params.get("runs", "").split(","))):
        try:
            found.append(state.store().get(linked))
        except NGFError as error:
            st.info(unlinked(str(error)), icon=":material/search_off:")
    return found


def same(options: Sequence[str]) -> dict[str, str]:
    """Options that are their own labels."""
    return {word: word for word in options}


def _toast(name: str, value: str, expected: str) -> None:
    if state.first_time(f"{name}={value}"):
        st.toast(f"The link has {name}={unlinked(value[:60])}, which is not {expected}. "
                 "The default is shown.", icon=":material/link_off:")
