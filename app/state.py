"""A page's session state and its address; the only reader of st.session_state."""

import hashlib
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import streamlit as st
from streamlit.errors import StreamlitAPIException
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app.text.outside import unlinked
from ngf_core.config import TrainConfig
from ngf_core.data import DATASETS
from ngf_core.runs import ManifestReadings, Run, StoreSnapshot, default_store
from ngf_core.runs.lineage import holder_of, training_of


@st.cache_resource(max_entries=4, show_spinner=False)
def _readings(root: str | None) -> ManifestReadings:
    return ManifestReadings()


def take_snapshot() -> None:
    """Read the runs as they are now; once per rerun, before the page is drawn."""
    readings = _readings(os.environ.get("NGF_RUNS"))
    st.session_state["snapshot"] = StoreSnapshot(default_store(), readings)


def store() -> StoreSnapshot:
    """The runs of this machine as of this rerun: NGF_RUNS or ./runs, and the shipped ones."""
    if "snapshot" not in st.session_state:
        take_snapshot()
    return st.session_state["snapshot"]


def readings(folder: Path) -> ManifestReadings:
    """The manifests read so far of a folder of runs; of one in NGF_RUNS, those of the snapshots."""
    inside = folder.is_relative_to(store().root)
    return _readings(os.environ.get("NGF_RUNS") if inside else str(folder))


def browser() -> str:
    """An id of this browser, the same in all its tabs until it is closed: it names nobody.

    It is a hash of the secret in the cookie that Streamlit sets against forged requests, so that
    the id, which manifests hold, does not let anybody pose as this browser. Without the cookie it
    is random and belongs to the session.
    """
    secret = browser_secret(st.context.cookies.get("_streamlit_xsrf"))
    if secret is None:
        if "browser" not in st.session_state:
            st.session_state["browser"] = secrets.token_bytes(16)
        secret = st.session_state["browser"]
    return hashlib.sha256(b"NGF Lab" + secret).hexdigest()[:16]


def browser_secret(cookie: str | None) -> bytes | None:
    """The token in a cookie of the form 2|mask|masked token|time (mask and token in hexadecimal).

    The mask is another at each visit and the token the same. None where there is no such token.
    """
    try:
        version, mask, masked, _ = (cookie or "").split("|")
        key, token = bytes.fromhex(mask), bytes.fromhex(masked)
    except ValueError:
        return None
    if version != "2" or not key or len(token) < 16:
        return None
    return bytes(byte ^ key[i % len(key)] for i, byte in enumerate(token))


def remembered(key: str, default: Any = None) -> Any:
    """What this session keeps under a key that belongs to no widget."""
    return st.session_state.get(key, default)


def remember(key: str, value: Any) -> None:
    """Keep a value for this session, or set a widget that is not drawn yet."""
    st.session_state[key] = value


def first_time(key: str) -> bool:
    """True once per session and key: for toasts and for the moment a job finishes."""
    if st.session_state.get(f"seen:{key}"):
        return False
    st.session_state[f"seen:{key}"] = True
    return True


@dataclass(frozen=True)
class UrlChoice:
    """An option picked through the address: `widget` is the key to draw it with, `unknown` the
    value of the address that fits no option (or None)."""

    widget: str
    unknown: str | None


def choice_from_url(name: str, options: Sequence[str], default: str) -> UrlChoice:
    """Seed the widget of the address parameter `name` with the address's value.

    The address wins when it changed since the last rerun (a link was followed), the widget wins
    otherwise, unless its value is not, or no longer, an option. A value of the address that is not
    an option seeds the default and is returned as `unknown`.
    """
    widget, seen = f"{name}_choice", f"{name}_in_url"
    linked = st.query_params.get(name)
    held = st.session_state.get(widget)
    if held not in options or linked != st.session_state.get(seen):
        st.session_state[widget] = linked if linked in options else default
        st.session_state[seen] = linked
    return UrlChoice(widget, linked if linked and linked not in options else None)


def write_url(name: str, value: str | None) -> None:
    """Put a value into the page's address, so that the address is the state."""
    write_address({name: value})


def write_address(values: Mapping[str, str | None]) -> None:
    """Put several values into the address (None takes a parameter out): those that are new at once,
    so that the browser's Back takes one press for them."""
    changed = {name: value for name, value in values.items()
               if value is not None and st.query_params.get(name) != value}
    if changed:
        st.query_params.update(changed)
    for name, value in values.items():
        if value is None:
            st.query_params.pop(name, None)
    for name, value in values.items():
        st.session_state[f"{name}_in_url"] = value


def restore_after_back() -> None:
    """After the browser's Back or Forward, give the address the words that Streamlit takes out of
    it, since controls of the page that was left were bound to words of the same names.

    Streamlit has no public name for this. Where a later version keeps it elsewhere, they stay lost.
    """
    context = get_script_run_ctx()
    if context is None or not getattr(context, "is_history_navigation", False):
        return
    asked = parse_qs(context.query_string, keep_blank_values=True)
    lost = {name: words for name, words in asked.items() if name not in st.query_params}
    if not lost:
        return
    with suppress(AttributeError, StreamlitAPIException):
        st.query_params.update(lost)
        with context.session_state.query_params() as address:
            address.set_initial_query_params_from_current()  # bound controls start from these


def leave_out(names: Iterable[str]) -> None:
    """Take parameters out of the address, so that the page shows what it does without them.

    A parameter that a widget of the page is bound to stays: that page has to set the widget.
    """
    for name in names:
        with suppress(StreamlitAPIException):
            st.query_params.pop(name, None)


def begin_with(words: Mapping[str, str], bound: Mapping[str, Any]) -> None:
    """Let controls that are not drawn yet start with these values, and the address name them.

    `words` are those of controls that read the address themselves; `bound` holds the values of
    widgets that are bound to it (an empty text and 0 their defaults), unless a link names them.
    """
    written = dict(words)
    for name, value in bound.items():
        if name in st.session_state:
            st.session_state[name] = value  # drawn before: the widget writes the address itself
        elif name not in st.query_params:
            st.session_state[name] = value
            if value:
                written[name] = str(value)
    if written:
        st.query_params.update(written)


def forget_choices(names: Iterable[str]) -> None:
    """Let the controls of these parameters start from the address again."""
    for name in names:
        st.session_state.pop(f"{name}_choice", None)


def warn_unknown(name: str, allowed: Sequence[str]) -> None:
    """One toast for each value of the address parameter `name` that is not allowed; Streamlit
    drops such a value from a bound widget silently."""
    for value in st.query_params.get_all(name):
        if value not in allowed and first_time(f"{name}={value}"):
            st.toast(f"The link has {name}={unlinked(value[:60])}, which is not one of "
                     f"{', '.join(allowed)}. The default is shown.", icon=":material/link_off:")


@st.cache_resource(max_entries=16, show_spinner=False)
def _arrays(run_id: str, root: str | None, name: str) -> dict[str, np.ndarray]:
    return store().get(run_id).arrays(name)


def arrays(run: Run, name: str) -> dict[str, np.ndarray]:
    """The arrays of a run's `name`.npz; a finished run's are read once: do not write into them."""
    if run.state != "done":
        return run.arrays(name)
    return _arrays(run.id, os.environ.get("NGF_RUNS"), name)


def class_names(dataset: str, run: Run | None = None) -> Sequence[str]:
    """The names of a data set's classes; names that only its files contain are kept with a run.

    Empty where they are unknown.
    """
    names = DATASETS[dataset].class_names if dataset in DATASETS else ()
    return names or (run.results.get("class_names", ()) if run else ())


@st.cache_resource(show_spinner=False)
def layer_names(arch: str) -> tuple[str, ...]:
    """The layers of an architecture that can be tuned, from input to output."""
    from ngf_core.models.build import tunable_layer_names

    return tunable_layer_names(arch)


def layers_of(run: Run) -> tuple[str, ...]:
    """The layers that can be tuned of the model behind a run; an import records its own."""
    made = training_of(run, store())
    if isinstance(made, TrainConfig):
        return layer_names(made.arch)
    return tuple(holder_of(run, store()).results.get("came_as", {}).get("layers", ()))


def open_run(run: Run, name: str = "run") -> None:
    """Point this page's address and picker at a run; the caller reruns."""
    write_url(name, run.id)
    st.session_state.pop(f"{name}_choice", None)
