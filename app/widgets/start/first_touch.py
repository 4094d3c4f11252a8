"""An image with its trigger, and what the models answer at each step of a purification."""

from importlib.resources import files
from typing import Any

import streamlit as st

from app import state

_HERE = files(__package__)
_html, _css, _js = ((_HERE / f"first_touch.{kind}").read_text(encoding="utf-8")
                    for kind in ("html", "css", "js"))
_touch = st.components.v2.component("ngf_lab_first_touch", html=_html, css=_css, js=_js)


def first_touch(record: dict[str, Any], name: str, *, key: str) -> None:
    """Draw a record of `touch_record`; what is chosen goes to the address.

    `name` identifies the record: under a new one it starts afresh, as ?trigger=, ?step= and ?sign=
    say, and else at the received model with the trigger on, and moves by itself. A choice goes to
    the address once; where the address changes without one (the browser's Back), it is followed.
    """
    kept = state.remembered(f"{key}_kept", 0)
    result = _touch(key=key, default={"chosen": None}, on_chosen_change=lambda: None,
                    data={**record, "id": name, "start": _start(record), "kept": kept})
    chosen = result.chosen
    if isinstance(chosen, dict) and chosen.get("of") == name and chosen.get("number") != kept:
        state.remember(f"{key}_kept", chosen.get("number"))
        _keep(record, chosen)


def _start(record: dict[str, Any]) -> dict[str, Any]:
    """Where the address says to start; one toast for a value that it cannot be."""
    signs = [str(number) for number in range(1, len(record["signs"]) + 1)]
    steps = [str(step) for step in record["steps"]]
    for name, allowed in (("sign", signs), ("step", steps), ("trigger", ["on", "off"])):
        state.warn_unknown(name, allowed)
    linked = st.query_params
    step, sign = linked.get("step"), linked.get("sign")
    return {"trigger": linked.get("trigger") != "off", "play": step not in steps,
            "step": steps.index(step) if step in steps else 0,
            "sign": signs.index(sign) if sign in signs else record["clearest"]}


def _keep(record: dict[str, Any], chosen: dict[str, Any]) -> None:
    """Put what was chosen in the browser into the address, so that the address is the state."""
    step, sign = chosen.get("step"), chosen.get("sign")
    written = {"trigger": None if chosen.get("trigger") else "off"}
    if type(step) is int and 0 <= step < len(record["steps"]):
        written["step"] = str(record["steps"][step])
    if type(sign) is int and 0 <= sign < len(record["signs"]):
        written["sign"] = str(sign + 1)
    state.write_address(written)
