"""A run's settings as a form built from the fields of its config."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.text.outside import unlinked
from app.widgets.controls.address import choose, choose_some, number, same, text
from ngf_core.config import Config, validate
from ngf_core.errors import ConfigError


class ConfigForm:
    """Controls for the fields of one class of settings, of a run or of a method; each error is
    shown at its own field.

    `prefix` precedes the fields' names in the page's address, so that two forms share no parameter.
    """

    def __init__(self, config: type, prefix: str = "") -> None:
        self._config, self._prefix = config, prefix
        self._fields = {field.name: field for field in dataclasses.fields(config)}
        self._values: dict[str, Any] = {}
        self._notes: dict[str, DeltaGenerator] = {}

    def give(self, name: str, value: Any) -> None:
        """Set a field without a control."""
        self._values[name] = value

    def note_here(self, name: str) -> None:
        """Show errors of a field set by `give` here."""
        self._notes[name] = st.empty()

    def ask(self, name: str, label: str, *, default: Any = None, step: float | None = None,
            options: Mapping[str, str] | None = None, always: bool = False,
            on_change: Callable[[], None] | None = None) -> Any:
        """Draw a field's control, with its own help, bounds and choices, and return its value.

        `options` maps the address word of each choice to its label on screen; `always` puts the
        choice into the address even where it is the default, `on_change` is called when another is
        chosen.
        """
        field = self._fields[name]
        meta, address = field.metadata, self._prefix + name
        default = field.default if default is None else default
        help = help_text(field)
        value: Any
        if field.type is bool:
            value = choose(address, label, {"no": "No", "yes": "Yes"}, "yes" if default else "no",
                           help=help) == "yes"
        elif isinstance(default, tuple):
            value = tuple(choose_some(address, label, options or same(meta["choices"]), default,
                                      help=help))
        elif options or meta["choices"]:
            chosen = choose(address, label, options or same(meta["choices"]), str(default),
                            help=help, always=always, on_change=on_change)
            kind: Any = field.type
            value = kind(chosen)
        elif field.type is str:
            value = text(address, label, default, help=help)
        else:
            value = number(address, label, default, meta["low"], meta["high"], help=help,
                           step=step or _step(default))
        self._values[name] = value
        self._notes[name] = st.empty()
        return value

    def read(self) -> Any:
        """The settings; None where a value cannot be used, with the error shown at its field."""
        try:
            config = self._config(**self._values)
            if isinstance(config, Config):
                validate(config)
        except ConfigError as error:
            self.blame(error)
            return None
        return config

    def blame(self, error: ConfigError) -> None:
        """Show an error at its field, or here where the form has no control for that field."""
        place = self._notes.get(error.field.rpartition(".")[2], st)
        place.error(unlinked(f"{error.why[:1].upper()}{error.why[1:]}. {error.fix}"),
                    icon=":material/error:")


def help_text(field: dataclasses.Field) -> str:
    """The help of a config's field as a sentence."""
    help = field.metadata["help"]
    return f"{help[:1].upper()}{help[1:]}."


def _step(default: float) -> float:
    """One for whole numbers, else the power of ten at or below the default."""
    if isinstance(default, int):
        return 1
    return 10.0 ** math.floor(math.log10(default)) if default > 0 else 0.1
